import { describe, expect, test } from 'vitest';
import { follow } from '../src/core/follow.ts';
import { headerFields } from '../src/core/header.ts';
import { decodeIndex, findNode } from '../src/core/index.ts';
import { languageOf, pictureOf } from '../src/core/language.ts';
import { encode, root } from './encode.ts';

const dir = (name: string, depth = 1) => ({ depth, name, versions: [{ kind: 'dir' as const, layer: 0 }] });
const link = (name: string, target: string, depth = 1) => ({
  depth,
  name,
  versions: [{ kind: 'symlink' as const, layer: 0, target }],
});
const index = decodeIndex(
  encode(1, [
    root,
    link('bin', 'usr/bin'),
    dir('lib'),
    link('loop', 'loop2', 2),
    link('loop2', 'loop', 2),
    dir('usr'),
    dir('bin', 2),
    link('awk', '/etc/awk', 3),
    link('sh', '../../bin/tool', 3),
    { depth: 3, name: 'tool', versions: [{ kind: 'file', layer: 0 }] },
  ]),
);
const node = (path: string) => findNode(index, path);

describe('links are followed inside the image', () => {
  test.each([
    ['usr/bin', '', 'usr/bin'],
    ['/bin/tool', '', 'usr/bin/tool'],
    ['../../bin/tool', 'usr/bin', 'usr/bin/tool'],
    ['sh', 'usr/bin', 'usr/bin/tool'],
    ['../../../..', 'usr/bin', ''],
    ['./tool', 'lib/../usr/bin', 'usr/bin/tool'],
  ])('%s in %s leads to %s', (path, from, to) => {
    expect(follow(index, 0, from === '' ? 0 : follow(index, 0, 0, from), path)).toBe(node(to));
  });
  test.each(['/etc/awk', 'usr/bin/awk', 'lib/loop', 'usr/nothing'])('%s leads nowhere', (path) => {
    expect(follow(index, 0, 0, path)).toBe(-1);
  });
});

test('the fields of a header', () => {
  const block = new Uint8Array(512);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  put(0, 'etc/passwd');
  put(100, '0000644\0');
  put(156, '0');
  put(257, 'ustar\0');
  expect(headerFields(block).map((f) => [f.name, f.at, f.text])).toEqual([
    ['name', 0, 'etc/passwd'],
    ['mode', 100, '0000644'],
    ['typeflag', 156, '0'],
    ['magic', 257, 'ustar'],
  ]);
});

test('languages by name, ending and first line', () => {
  expect(languageOf('Dockerfile', '')).toBe('dockerfile');
  expect(languageOf('a.PY', '')).toBe('python');
  expect(languageOf('run', '#!/usr/bin/env python3\n')).toBe('python');
  expect(languageOf('run', '#!/bin/sh -e\n')).toBe('bash');
  expect(languageOf('passwd', 'root:x:0:0')).toBeNull();
});

test('pictures by their first bytes', () => {
  expect(pictureOf(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13))).toBe('image/png');
  expect(pictureOf(new TextEncoder().encode('RIFF....WEBP'))).toBe('image/webp');
  expect(pictureOf(new TextEncoder().encode('RIFF....WAVE'))).toBeNull();
  expect(pictureOf(Uint8Array.of(1))).toBeNull();
});
