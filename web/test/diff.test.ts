import { expect, test } from 'vitest';
import { diffTree } from '../src/core/compare.ts';
import { diffLine, diffOf, facets, holds, largest, type Moment } from '../src/core/diff.ts';
import { summarize } from '../src/core/difference.ts';
import { decodeIndex, findNode } from '../src/core/index.ts';
import { Status } from '../src/core/kinds.ts';
import type { ReportImage } from '../src/core/wire.ts';
import { encode, example, root, type TestNode } from './encode.ts';

const all = [Status.added, Status.changed, Status.deleted];
const image = (diffIDs: string[], commands: string[] = diffIDs) =>
  ({
    layers: diffIDs.map((diffID, index) => ({ index, diffID, createdBy: commands[index] })),
  }) as unknown as ReportImage;
const moment = (layers: string[], nodes: TestNode[], commands = layers): Moment => ({
  image: image(layers, commands),
  index: decodeIndex(encode(layers.length, [root, ...nodes])),
  layer: layers.length - 1,
});
const file = (name: string, version: object, ...more: object[]): TestNode => ({
  depth: 1,
  name,
  versions: [version, ...more].map((v) => ({ kind: 'file', layer: 0, ...v }) as TestNode['versions'][number]),
});
const listed = (before: Moment, after: Moment) => {
  const d = diffOf(before, after);
  return Array.from(d.kind.keys())
    .map((i) => diffLine(d, i))
    .map((l) => ['?ACD'[l.kind], l.path, l.seen, l.stored, l.what.join(' ')]);
};

const index = decodeIndex(example());
const at = (layer: number): Moment => ({ image: image(['a', 'b', 'c']), index, layer });

test('moments of one image: the example of the specification', () => {
  expect(listed(at(0), at(1))).toEqual([
    ['C', 'bin/my-app-tools', 500, 3500, 'size content'],
    ['D', 'etc/my-app-config', -100, 0, ''],
    ['A', 'etc/my-app.d', 0, 0, ''],
    ['A', 'etc/my-app.d/default.cfg', 50, 50, ''],
  ]);
  expect(listed(at(1), at(1))).toEqual([]);
});

test('below the lowest layer there is nothing, and backwards all is deleted', () => {
  const d = diffOf(at(-1), at(0));
  expect([d.added, d.changed, d.deleted]).toEqual([5, 0, 0]);
  const back = diffOf(at(0), at(-1));
  expect([back.added, back.changed, back.deleted]).toEqual([0, 0, 5]);
});

test('a version that a layer ended does not hold after it', () => {
  const config = findNode(index, 'etc/my-app-config');
  expect([holds(index, config, 0) >= 0, holds(index, config, 1), holds(index, config, -1)]).toEqual([
    true,
    -1,
    -1,
  ]);
});

test('hard links count once', () => {
  const lines = listed(at(1), at(2));
  expect(lines.filter((l) => String(l[1]).endsWith('.cfg')).map((l) => [l[0], l[1], l[2]])).toEqual([
    ['D', 'etc/my-app.d/default.cfg', -50],
    ['A', 'etc/my-app.d/other.cfg', 60],
    ['A', 'etc/my-app.d/same.cfg', 0],
  ]);
});

// The second image has the first one's layer below a chown of everything and a forgotten cache.
const small = moment(['base'], [file('app', { size: 300, mtime: 5, data: 512 })]);
const grown = moment(
  ['base', 'chown', 'cache'],
  [
    file(
      'app',
      { size: 300, mtime: 5, data: 512, until: 2, cause: 1 },
      { layer: 1, size: 300, mtime: 5, uid: 9, data: 512 },
    ),
    file('cache', { layer: 2, size: 100, mtime: 6 }),
  ],
  ['COPY app', 'RUN chown -R 9 /', 'RUN fetch'],
);

test('a chown gains nothing and stores everything again', () => {
  expect(listed(small, grown)).toEqual([
    ['C', 'app', 0, 300, 'uid'],
    ['A', 'cache', 100, 100, ''],
  ]);
  const s = summarize(diffOf(small, grown));
  expect(s.commands.map((r) => [r.name, r.stored, r.gained])).toEqual([
    ['RUN chown -R 9 /', 300, 0],
    ['RUN fetch', 100, 100],
  ]);
  expect([s.total.stored, s.total.dropped, s.total.gained, s.total.lost]).toEqual([400, 0, 100, 0]);
  expect(s.layers.map((r) => [r.side, r.layer, r.stored])).toEqual([
    [2, 1, 300],
    [2, 2, 100],
  ]);
  expect(largest(diffOf(small, grown), 1, all).length).toBe(1);
  expect(diffTree(diffOf(small, grown), 'after', 10)).toMatchObject({
    bytes: 400,
    children: [
      {
        name: '/',
        bytes: 400,
        children: [
          { path: 'app', bytes: 300 },
          { path: 'cache', bytes: 100 },
        ],
      },
    ],
  });
});

test('a rebuilt layer is paired with the old one by command and path', () => {
  const commands = ['COPY app'];
  const a = moment(['one'], [file('app', { size: 300, mtime: 1 }), file('old', { size: 40 })], commands);
  const b = moment(['two'], [file('app', { size: 310, mtime: 2 })], commands);
  expect(summarize(diffOf(a, b)).total).toMatchObject({ stored: 10, dropped: 40, gained: 10, lost: 40 });
});

test('what nobody sees is carried all the same', () => {
  const hidden = moment(
    ['base', 'fetch', 'clean'],
    [
      file('app', { size: 300, mtime: 5, data: 512 }),
      file('tmp', { layer: 1, size: 70, until: 3, cause: 2 }),
    ],
  );
  const d = diffOf(small, hidden);
  expect(d.kind.length).toBe(0);
  expect(summarize(d).total.stored).toBe(70);
});

test('same size and time from another layer is taken to be the same, another time is not', () => {
  const a = moment(['one'], [file('x', { size: 9, mtime: 1 })]);
  expect(listed(a, moment(['two'], [file('x', { size: 9, mtime: 1 })]))).toEqual([]);
  expect(listed(a, moment(['two'], [file('x', { size: 9, mtime: 2 })]))).toEqual([
    ['C', 'x', 0, 0, 'mtime content'],
  ]);
});

test('every facet has its word', () => {
  const one = (v: object) =>
    moment(['l'], [{ depth: 1, name: 'x', versions: [{ kind: 'file', layer: 0, ...v }] }]);
  const what = (v: object, w: object) => {
    const [a, b] = [one(v), one(w)];
    return facets(a, holds(a.index, 1, 0), b, holds(b.index, 1, 0)).join(' ');
  };
  expect(what({}, { kind: 'dir' })).toBe('type');
  expect(what({}, { mode: 0o600, gid: 3 })).toBe('mode gid');
  expect(what({ kind: 'symlink', target: 'a' }, { kind: 'symlink', target: 'b' })).toBe('target');
  expect(what({ kind: 'char', device: [1, 3] }, { kind: 'char', device: [1, 5] })).toBe('dev');
  expect(what({ flags: 2, xattrs: [['k', 'a']] }, { flags: 2, xattrs: [['k', 'b']] })).toBe('xattrs');
  expect(what({ flags: 2, xattrs: [['k', 'a']] }, { flags: 2, xattrs: [['k', 'a']] })).toBe('');
});
