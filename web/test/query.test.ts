import { describe, expect, test } from 'vitest';
import { decodeIndex, nodePath } from '../src/core/index.ts';
import { asks, globHits, globPattern, parseQuery, reachOf } from '../src/core/query.ts';
import { rows } from '../src/core/rowlist.ts';
import { filter, view } from '../src/core/tree.ts';
import { encode, example, root } from './encode.ts';

const index = decodeIndex(example());
const hits = (layer: number, text: string) => {
  const keep = filter(index, view(index, 'merged', layer), text);
  return keep === null ? null : [...keep.keys()].filter((i) => keep[i] & 1).map((i) => nodePath(index, i));
};

describe('a filter', () => {
  test.each<[string, string[] | null]>([
    ['', null],
    ['  ', null],
    ['cfg', ['etc/my-app.d/default.cfg']],
    ['my-app-*', ['bin/my-app-binary', 'bin/my-app-tools', 'etc/my-app-config']],
    ['bin/*', ['bin/my-app-binary', 'bin/my-app-tools']],
    ['/bin/*s', ['bin/my-app-tools']],
    ['**/*.cfg', ['etc/my-app.d/default.cfg']],
    ['/^etc.my/', ['etc/my-app-config', 'etc/my-app.d', 'etc/my-app.d/default.cfg']],
    ['/CFG$/i', ['etc/my-app.d/default.cfg']],
    ['is:deleted', ['etc/my-app-config']],
    ['is:added is:changed', ['bin/my-app-tools', 'etc/my-app.d', 'etc/my-app.d/default.cfg']],
    ['layer:1 type:f', ['bin/my-app-tools', 'etc/my-app.d/default.cfg']],
    ['type:d', ['bin', 'etc', 'etc/my-app.d']],
    ['size:>3.5k type:f', ['bin/my-app-binary', 'bin/my-app-tools']],
    ['size:<60 type:f', ['etc/my-app.d/default.cfg']],
    ['/(/', []],
    ['[a', []],
    ['is:nonsense', []],
  ])('%j finds %j', (text, want) => expect(hits(1, text)).toEqual(want));
});

test('a glob on bytes is what its regular expression is on text', () => {
  const names = ['', 'a', 'ab', 'abc', 'file-42.txt', 'größe', '层.tar', 'a*b', 'aXbXb', '.txt'];
  const globs = [
    '*',
    '?',
    '??',
    'a*',
    '*b',
    'a*b',
    '*.txt',
    'file-4?.*',
    'gr??e',
    '?.tar',
    '*?*',
    'a*b*b',
    '**',
  ];
  for (const glob of globs) {
    for (const name of names) {
      const bytes = new TextEncoder().encode(`<${name}>`);
      const found = globHits(bytes, 1, bytes.length - 2, new TextEncoder().encode(glob));
      expect(found, `${glob} on ${name}`).toBe(globPattern(glob)?.test(name));
    }
  }
});

test.each<[string, ReturnType<typeof reachOf>]>([
  ['9\\d\\d', 'names'],
  ['my-app', 'names'],
  ['lib(c|ssl)-?[0-9.]+', 'names'],
  ['a{2,}', 'names'],
  ['cost\\$', 'names'],
  ['\\.(js|ts)$', 'last'],
  ['[a-z]+$', 'last'],
  ['^etc', 'path'],
  ['etc.my', 'path'],
  ['etc/my', 'path'],
  ['a|b$', 'path'],
  ['[^x]y', 'path'],
  ['[.-9]', 'path'],
  ['\\W', 'path'],
  ['\\bcfg', 'path'],
  ['a(?=b)', 'path'],
  ['(a|(b))', 'path'],
  ['\\x2f', 'path'],
  ['\\u002fa', 'path'],
  ['(a)\\1', 'path'],
])('the pattern %s reaches %s', (source, reach) => {
  expect(reachOf(new RegExp(source))).toBe(reach);
});

test('a pattern finds the paths that it matches as a whole, whatever it reaches', () => {
  const v = view(index, 'merged', 1);
  const all = [...rows(index, v, () => true, null)].map((i) => nodePath(index, i));
  const patterns = [
    'my',
    'etc',
    'app-?(tools|config)',
    's$',
    'my-app.d',
    '[a-f]+$',
    'c/m',
    '^e',
    'x?',
    '.c.n',
    'n|s$',
    'g{1}$',
  ];
  for (const source of patterns) {
    expect(hits(1, `/${source}/`), source).toEqual(all.filter((path) => new RegExp(source).test(path)));
  }
});

test('setuid and setgid files, not folders', () => {
  const bits = decodeIndex(
    encode(1, [
      root,
      { depth: 1, name: 'd', versions: [{ kind: 'dir', layer: 0, mode: 0o2755 }] },
      { depth: 1, name: 'su', versions: [{ kind: 'file', layer: 0, mode: 0o4755 }] },
    ]),
  );
  const keep = filter(bits, view(bits, 'merged', 0), 'is:setuid');
  expect([...(keep ?? [])]).toEqual([2, 0, 1]);
});

test('a glob stays within a name but for two stars', () => {
  const match = (glob: string, text: string) => globPattern(glob)?.test(text);
  expect(match('a*c', 'abc')).toBe(true);
  expect(match('a*c', 'a/c')).toBe(false);
  expect(match('a/**/c', 'a/c')).toBe(true);
  expect(match('a/**', 'a/b/c')).toBe(true);
  expect(match('[!a]?', 'bc')).toBe(true);
  expect(match('[!a]?', 'ac')).toBe(false);
  expect(match('a.b', 'axb')).toBe(false);
  expect(globPattern('[z-a]')).toBeNull();
  expect(asks(parseQuery('size:>1M'))).toBe(true);
});

test('by size the largest stand first, folders with what is in them', () => {
  const v = view(index, 'merged', 0);
  const list = rows(index, v, () => true, null, 'size');
  expect([...list].map((n) => nodePath(index, n))).toEqual([
    'bin',
    'bin/my-app-binary',
    'bin/my-app-tools',
    'etc',
    'etc/my-app-config',
  ]);
  const later = rows(index, view(index, 'merged', 1), () => true, null, 'size');
  expect([...later].map((n) => nodePath(index, n)).slice(0, 3)).toEqual([
    'bin',
    'bin/my-app-binary',
    'bin/my-app-tools',
  ]);
});
