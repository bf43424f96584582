import { expect, test } from 'vitest';
import { decodeIndex, findNode, nodePath } from '../src/core/index.ts';
import { reveal, rows } from '../src/core/rowlist.ts';
import { filter, hasChildren, type Mode, Status, touchedBelow, view } from '../src/core/tree.ts';
import { example } from './encode.ts';

const index = decodeIndex(example());
const word = Object.fromEntries(Object.entries(Status).map(([k, v]) => [v, k]));

function shown(mode: Mode, layer: number): Record<string, string> {
  const v = view(index, mode, layer);
  const list = rows(index, v, () => true, null);
  return Object.fromEntries([...list].map((n) => [nodePath(index, n), word[v.status[n]]]));
}

test('after the base layer everything is new', () => {
  expect(shown('merged', 0)).toEqual({
    bin: 'added',
    'bin/my-app-binary': 'added',
    'bin/my-app-tools': 'added',
    etc: 'added',
    'etc/my-app-config': 'added',
  });
});

test('after the second layer the specification’s three changes show, the deleted path too', () => {
  expect(shown('merged', 1)).toEqual({
    bin: 'same',
    'bin/my-app-binary': 'same',
    'bin/my-app-tools': 'changed',
    etc: 'same',
    'etc/my-app-config': 'deleted',
    'etc/my-app.d': 'added',
    'etc/my-app.d/default.cfg': 'added',
  });
});

test('a path deleted by an earlier layer is not there any more', () => {
  expect(shown('merged', 2)).toEqual({
    bin: 'same',
    'bin/my-app-binary': 'same',
    'bin/my-app-tools': 'same',
    etc: 'same',
    'etc/my-app.d': 'changed',
    'etc/my-app.d/default.cfg': 'deleted',
    'etc/my-app.d/other.cfg': 'added',
    'etc/my-app.d/same.cfg': 'added',
  });
});

test('a layer alone shows its entries, whiteouts included, and the folders that lead to them', () => {
  expect(shown('only', 1)).toEqual({
    bin: 'parent',
    'bin/my-app-tools': 'changed',
    etc: 'parent',
    'etc/my-app-config': 'deleted',
    'etc/my-app.d': 'added',
    'etc/my-app.d/default.cfg': 'added',
  });
  expect(shown('only', 2)).toEqual({
    etc: 'parent',
    'etc/my-app.d': 'changed',
    'etc/my-app.d/other.cfg': 'added',
    'etc/my-app.d/same.cfg': 'added',
  });
});

test('folders sum what is in them, each inode once and deleted files not', () => {
  const v = view(index, 'merged', 2);
  expect(v.size[findNode(index, 'etc/my-app.d')]).toBe(60);
  expect(v.size[0]).toBe(4000 + 3500 + 60);
});

test('a folder says whether something beneath it changed', () => {
  const v = view(index, 'merged', 1);
  expect(['bin', 'etc'].map((p) => touchedBelow(v, findNode(index, p)))).toEqual([true, true]);
  expect(touchedBelow(view(index, 'merged', 2), findNode(index, 'bin'))).toBe(false);
});

test('closed folders hide what is in them', () => {
  const v = view(index, 'merged', 1);
  const etc = findNode(index, 'etc');
  const list = rows(index, v, (n) => n === etc, null);
  expect([...list].map((n) => nodePath(index, n))).toEqual([
    'bin',
    'etc',
    'etc/my-app-config',
    'etc/my-app.d',
  ]);
  expect(hasChildren(index, v, etc)).toBe(true);
  expect(hasChildren(index, view(index, 'merged', 0), findNode(index, 'etc/my-app.d'))).toBe(false);
});

test.each([
  ['TOOLS', ['bin', 'bin/my-app-tools']],
  ['bin/my-app-b', ['bin', 'bin/my-app-binary']],
  ['d/other', ['etc', 'etc/my-app.d', 'etc/my-app.d/other.cfg']],
  ['/etc/my-app.d/s', ['etc', 'etc/my-app.d', 'etc/my-app.d/same.cfg']],
  ['etc/other', []],
  ['zzz', []],
])('the filter %s keeps hits and the folders above them', (query, want) => {
  const v = view(index, 'merged', 2);
  const list = rows(index, v, () => true, filter(index, v, query));
  expect([...list].map((n) => nodePath(index, n))).toEqual(want);
});

test('an empty filter is none', () => {
  expect(filter(index, view(index, 'merged', 2), '  ')).toBeNull();
});

test('the folders that lead to what a layer did are revealed, unless it did much', () => {
  const v = view(index, 'merged', 2);
  expect([...reveal(index, v, 50)].map((n) => nodePath(index, n)).sort()).toEqual(['etc', 'etc/my-app.d']);
  expect(reveal(index, v, 3).size).toBe(0);
});
