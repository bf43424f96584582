import { expect, test } from 'vitest';
import { decodeIndex, findNode, nodePath } from '../src/core/index.ts';
import { filmOf, parted, partsAt, ruleOf, shows, stage } from '../src/core/player.ts';
import { view } from '../src/core/tree.ts';
import { encode, example, root } from './encode.ts';

const index = decodeIndex(example());
const film = filmOf(index);
const there = (time: number, way: 'right' | 'naive' = 'right') =>
  film[way].flatMap((s, n) => (n > 0 && shows(s, time) >= 0 ? [nodePath(index, n)] : []));
const told = film.steps.map((s, i) => [s.layer, s.kind, nodePath(index, s.node), ruleOf(index, film, i + 1)]);

test('the records come in the order of their bytes, each with its rule', () => {
  expect(told).toEqual([
    [0, 'entry', 'bin', 'added'],
    [0, 'entry', 'bin/my-app-binary', 'added'],
    [0, 'entry', 'bin/my-app-tools', 'added'],
    [0, 'entry', 'etc', 'added'],
    [0, 'entry', 'etc/my-app-config', 'added'],
    [1, 'entry', 'etc/my-app.d', 'added'],
    [1, 'whiteout', 'etc/my-app-config', 'whiteout'],
    [1, 'entry', 'etc/my-app.d/default.cfg', 'added'],
    [1, 'entry', 'bin/my-app-tools', 'replaced'],
    [2, 'entry', 'etc/my-app.d', 'merged'],
    [2, 'opaque', 'etc/my-app.d', 'opaque'],
    [2, 'entry', 'etc/my-app.d/other.cfg', 'linked'],
    [2, 'entry', 'etc/my-app.d/same.cfg', 'linked'],
  ]);
});

test('in the end stands the merged tree, and at the start nothing', () => {
  expect(there(0)).toEqual([]);
  const v = view(index, 'merged', 2);
  const want = Array.from({ length: index.nodes }, (_, n) => n).filter(
    (n) => n > 0 && v.version[n] >= 0 && v.status[n] !== 3,
  );
  expect(there(film.steps.length)).toEqual(want.map((n) => nodePath(index, n)));
  expect(there(7)).not.toContain('etc/my-app-config');
  expect(there(6)).toContain('etc/my-app-config');
});

test('with whiteouts first the naive way is right too', () => {
  expect(partsAt(film)).toBe(0);
  expect(there(film.steps.length, 'naive')).toEqual(there(film.steps.length));
});

test('an opaque whiteout behind what its layer wrote: the naive way deletes that too', () => {
  const late = decodeIndex(
    encode(2, [
      root,
      {
        depth: 1,
        name: 'd',
        versions: [
          { kind: 'dir', layer: 0, until: 2, cause: 1, offset: 0 },
          { kind: 'dir', layer: 1, offset: 0, flags: 16, opaqueAt: 2048 },
        ],
      },
      { depth: 2, name: 'new', versions: [{ kind: 'file', layer: 1, offset: 512 }] },
      { depth: 2, name: 'old', versions: [{ kind: 'file', layer: 0, until: 2, cause: 4, offset: 512 }] },
    ]),
  );
  const f = filmOf(late);
  expect(f.steps.map((s) => s.kind)).toEqual(['entry', 'entry', 'entry', 'entry', 'opaque']);
  expect(partsAt(f)).toBe(5);
  expect(parted(f, 5, 10).map((n) => nodePath(late, n))).toEqual(['d/new']);
  expect(shows(f.right[findNode(late, 'd/old')], 4)).toBeGreaterThanOrEqual(0);
});

test('a folder that no record names comes with the first path in it', () => {
  const implied = decodeIndex(
    encode(1, [
      root,
      { depth: 1, name: 'a', versions: [{ kind: 'file', layer: 0, offset: 0 }] },
      { depth: 1, name: 'z', versions: [{ kind: 'dir', layer: 0, flags: 1 }] },
      { depth: 2, name: 'f', versions: [{ kind: 'file', layer: 0, offset: 512 }] },
    ]),
  );
  const f = filmOf(implied);
  expect([shows(f.right[2], 1) >= 0, shows(f.right[2], 2) >= 0]).toEqual([false, true]);
});

test('the stage of a large image is one folder', () => {
  const at = film.steps.findIndex((s) => nodePath(index, s.node) === 'bin/my-app-tools') + 1;
  expect(stage(index, film, at, 3).map((n) => nodePath(index, n))).toEqual([
    'bin',
    'bin/my-app-binary',
    'bin/my-app-tools',
  ]);
  expect(stage(index, film, at, 100).length).toBe(index.nodes - 1);
});
