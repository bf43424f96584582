import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { changeByte, identify, listed, withDiffID } from '../src/core/identity.ts';
import { Cause, decodeIndex, Flag } from '../src/core/index.ts';
import { fieldsOf, paperOf, valuesOf } from '../src/core/papers.ts';
import { buffersOf, prepare } from '../src/core/prepare.ts';
import { wasteOf } from '../src/core/waste.ts';
import { wasteLines, wasteTree } from '../src/core/wastelist.ts';
import { encode, example, root } from './encode.ts';

const index = decodeIndex(example());

test('waste names every content that ended, with the entry that hid it', () => {
  const waste = wasteOf(index);
  expect(
    wasteLines(index, waste, 10).map((l) => [
      l.path,
      l.bytes,
      l.layer,
      l.hider.cause,
      l.hiderPath,
      l.hider.layer,
      l.hider.offset,
    ]),
  ).toEqual([
    ['bin/my-app-tools', 3000, 0, Cause.replaced, 'bin/my-app-tools', 1, 2048],
    ['etc/my-app-config', 100, 0, Cause.whiteout, 'etc/my-app-config', 1, 512],
    ['etc/my-app.d/default.cfg', 50, 1, Cause.opaque, 'etc/my-app.d', 2, 512],
  ]);
  expect(waste.layers).toEqual([
    { bytes: 7100, wasted: 3100, files: 2, caused: 0 },
    { bytes: 3550, wasted: 50, files: 1, caused: 3100 },
    { bytes: 60, wasted: 0, files: 0, caused: 50 },
  ]);
  expect([waste.bytes, waste.wasted]).toEqual([10710, 3150]);
});

const two = (a: object, b: object) =>
  decodeIndex(
    encode(3, [
      root,
      {
        depth: 1,
        name: 'a',
        versions: [{ kind: 'file', layer: 0, size: 10, data: 512, flags: Flag.linked, inode: 0, ...a }],
      },
      {
        depth: 1,
        name: 'b',
        versions: [{ kind: 'file', layer: 0, size: 10, data: 512, flags: Flag.linked, inode: 0, ...b }],
      },
    ]),
  );

test('hard links are wasted when the last of them has ended, and once', () => {
  const gone = (until: number) => ({ until, cause: 2 });
  expect(wasteOf(two(gone(2), {})).wasted).toBe(0);
  const both = wasteOf(two(gone(2), gone(3)));
  expect(both.wasted).toBe(10);
  expect(both.layers.map((l) => [l.bytes, l.wasted, l.caused])).toEqual([
    [10, 10, 0],
    [0, 0, 0],
    [0, 0, 10],
  ]);
});

test('a copy in an upper layer keeps the bytes of its home alive', () => {
  const copied = { layer: 1, home: 0, flags: Flag.linked | Flag.copied, inode: 1 };
  expect(wasteOf(two({ until: 2, cause: 1, flags: 0 }, copied)).wasted).toBe(0);
});

test('the map adds small findings up', () => {
  const tree = wasteTree(index, wasteOf(index), 1);
  expect(tree.children.map((c) => [c.layer, c.bytes, c.children.map((x) => [x.name, x.bytes])])).toEqual([
    [
      0,
      3100,
      [
        ['my-app-tools', 3000],
        ['…', 100],
      ],
    ],
    [1, 50, [['…', 50]]],
  ]);
});

test('what is prepared can be handed to another thread', () => {
  const p = prepare(example());
  const buffers = buffersOf(p);
  expect(buffers.length).toBeGreaterThan(15);
  const sent = structuredClone(p, { transfer: buffers });
  expect(sent).toEqual(prepare(example()));
  expect(p.index.versions.size.length).toBe(0);
});

const hash = async (s: string) => `sha256:${createHash('sha256').update(s).digest('hex')}`;
const config = JSON.stringify({
  created: '2024-01-02T03:04:05Z',
  rootfs: { type: 'layers', diff_ids: ['sha256:aa', 'sha256:bb', 'sha256:cc'] },
});

test('names follow from one another as image-spec says', async () => {
  const id = await hash(config);
  const boxes = await identify(config, `{"config":{"digest":"${id}"}}`, id, hash);
  const second = await hash('sha256:aa sha256:bb');
  expect(boxes.filter((b) => b.kind === 'chainID').map((b) => [b.id, b.of])).toEqual([
    ['sha256:aa', null],
    [second, 'sha256:aa sha256:bb'],
    [await hash(`${second} sha256:cc`), `${second} sha256:cc`],
  ]);
  expect(boxes.at(-2)).toMatchObject({ kind: 'imageID', id });
  expect(boxes.at(-1)).toMatchObject({ kind: 'manifest', id: await hash(`{"config":{"digest":"${id}"}}`) });
});

test('one byte of the config changes the imageID and the manifest, and no layer', async () => {
  const id = await hash(config);
  const other = changeByte(config);
  expect([...other].filter((c, i) => c !== config[i]).length).toBe(1);
  expect(other.length).toBe(config.length);
  const names = async (c: string) => (await identify(c, `{"digest":"${id}"}`, id, hash)).map((b) => b.id);
  const [a, b] = [await names(config), await names(other)];
  expect(a.map((x, i) => x === b[i])).toEqual([true, true, true, true, true, true, false, false]);
  expect(changeByte('{}')).toBe('{} ');
  expect((await identify('no json', null, '', hash)).map((x) => x.kind)).toEqual(['imageID']);
});

test('another tar changes its own names, those of the layers above, and the image’s', async () => {
  const other = withDiffID(config, 1, 'sha256:00ff');
  expect(other).toBe(config.replace('sha256:bb', 'sha256:00ff'));
  const ids = async (c: string) => (await identify(c, null, '', hash)).map((b) => b.id);
  const [a, b] = [await ids(config), await ids(other)];
  expect(a.map((x, i) => x === b[i])).toEqual([true, true, false, false, true, false, false]);
  expect(withDiffID('no json', 0, 'sha256:00ff')).toBe('no json');
});

test('docker images has a line for each reference', () => {
  expect(listed([])).toEqual([{ repository: '<none>', tag: '<none>' }]);
  expect(listed(['docker.io/library/alpine:3.20', 'localhost:5000/a/b', 'c:1@sha256:00'])).toEqual([
    { repository: 'alpine', tag: '3.20' },
    { repository: 'localhost:5000/a/b', tag: '<none>' },
    { repository: 'c', tag: '1' },
  ]);
});

test('a config is read field by field', () => {
  const raw = JSON.stringify({
    os: 'linux',
    config: { Env: ['A=1', 'B=2'], ExposedPorts: { '80/tcp': {} }, Cmd: null },
    rootfs: { type: 'layers', diff_ids: ['x'] },
    history: [{ created_by: 'RUN x', empty_layer: true }],
  });
  expect(fieldsOf(raw, true)).toEqual([
    { name: 'os', depth: 0, values: ['linux'] },
    { name: 'config', depth: 0, values: [] },
    { name: 'Env', depth: 1, values: ['A=1', 'B=2'] },
    { name: 'ExposedPorts', depth: 1, values: ['80/tcp'] },
    { name: 'Cmd', depth: 1, values: [] },
    { name: 'rootfs', depth: 0, values: ['x'] },
    { name: 'history', depth: 0, values: ['RUN x (empty_layer)'] },
  ]);
  expect(fieldsOf('[{"Config":"a"},{"Config":"b"}]', false)).toEqual([
    { name: 'Config', depth: 0, values: ['a'] },
    { name: 'Config', depth: 0, values: ['b'] },
  ]);
  expect(fieldsOf('{"manifests":[{"size":1},{"size":2}]}', false)).toEqual([
    { name: 'manifests 1', depth: 0, values: [] },
    { name: 'size', depth: 1, values: ['1'] },
    { name: 'manifests 2', depth: 0, values: [] },
    { name: 'size', depth: 1, values: ['2'] },
  ]);
  expect(fieldsOf('[1]', true)).toBeNull();
  expect(fieldsOf('nonsense', true)).toBeNull();
  expect(valuesOf({ a: 1, b: 'x' })).toEqual(['a = 1', 'b = x']);
});

test('the golden index of the Go side has waste that adds up', () => {
  const golden = new URL('../../imagecore/index/testdata/small.index', import.meta.url);
  const waste = wasteOf(decodeIndex(new Uint8Array(readFileSync(golden))));
  expect(waste.layers.reduce((n, l) => n + l.caused, 0)).toBe(waste.wasted);
  expect(waste.wasted).toBeLessThanOrEqual(waste.bytes);
});

test.each([
  ['index.json', '{"schemaVersion":2,"manifests":[]}', 'ifield'],
  ['oci-layout', '{"imageLayoutVersion":"1.0.0"}', 'ifield'],
  ['manifest.json', '[{"Config":"a"}]', 'mfield'],
  ['blobs/sha256/ab', '{"schemaVersion":2,"config":{},"layers":[]}', 'mfield'],
  ['blobs/sha256/cd', '{"os":"linux"}', 'field'],
  ['ab/json', '{"id":"ab"}', 'field'],
  ['repositories', '{"a":{"1":"ab"}}', 'names'],
  ['ab/VERSION', '1.0', 'field'],
])('%s is a document of its kind', (name, raw, kind) => {
  expect(paperOf(name, raw)).toBe(kind);
});
