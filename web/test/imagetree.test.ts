import { expect, test } from 'vitest';
import { imageTree, type Stem } from '../src/core/imagetree.ts';
import type { Image } from '../src/core/wire.ts';

const image = (id: string, ...chain: [string, number][]): Image => ({
  id,
  refs: [`${id}:1`],
  platform: 'linux/amd64',
  created: '2026-01-01T00:00:00Z',
  size: chain.reduce((n, [, s]) => n + s, 0),
  unpacked: 0,
  layers: chain.map(([chainID, size]) => ({ diffID: chainID, chainID, size, createdBy: chainID })),
  containers: 0,
  sample: false,
});

const drawn = (s: Stem): unknown => [
  `${s.layers.map((l) => l.chainID).join('+')}@${s.from} ${s.bytes} ×${s.users}`,
  ...s.images.map((i) => i.id),
  ...s.children.map(drawn),
];

test('images that share layers stand on one trunk', () => {
  const tree = imageTree([
    image('app', ['base', 100], ['run', 20], ['app', 5]),
    image('tool', ['base', 100], ['run', 20], ['tool', 7]),
    image('base', ['base', 100]),
    image('other', ['x', 50], ['y', 1]),
    image('empty'),
  ]);
  expect(tree.roots.map(drawn)).toEqual([
    ['base@0 100 ×3', 'base', ['run@1 20 ×2', ['tool@2 7 ×1', 'tool'], ['app@2 5 ×1', 'app']]],
    ['x+y@0 51 ×1', 'other'],
    ['@0 0 ×1', 'empty'],
  ]);
  expect(tree).toMatchObject({ apart: 125 + 127 + 100 + 51, stored: 100 + 20 + 5 + 7 + 51 });
});

test('equal stacks are one stem with two images', () => {
  const tree = imageTree([image('a', ['l', 9]), image('b', ['l', 9])]);
  expect(tree.roots.map(drawn)).toEqual([['l@0 9 ×2', 'a', 'b']]);
  expect(imageTree([])).toEqual({ roots: [], apart: 0, stored: 0 });
});
