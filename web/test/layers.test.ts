import { expect, test } from 'vitest';
import { decodeIndex, Flag, findNode } from '../src/core/index.ts';
import { layerFacts, slabs, thickness } from '../src/core/layers.ts';
import { contentOf, ender, otherNames, versionsOf } from '../src/core/provenance.ts';
import type { ReportImage, ReportLayer } from '../src/core/wire.ts';
import { encode, example, root } from './encode.ts';

const index = decodeIndex(example());

test('facts count what each layer added, changed, deleted and what was hidden later', () => {
  expect(layerFacts(index)).toEqual([
    {
      added: 5,
      changed: 0,
      deleted: 0,
      whiteouts: 0,
      opaques: 0,
      hiddenBytes: 3100,
      hidden: 2,
      contentBytes: 7100,
    },
    {
      added: 2,
      changed: 1,
      deleted: 1,
      whiteouts: 1,
      opaques: 0,
      hiddenBytes: 50,
      hidden: 1,
      contentBytes: 3550,
    },
    {
      added: 2,
      changed: 1,
      deleted: 1,
      whiteouts: 0,
      opaques: 1,
      hiddenBytes: 0,
      hidden: 0,
      contentBytes: 60,
    },
  ]);
});

test('content counts the targets of symbolic links, and a file with several names once', () => {
  const made = decodeIndex(
    encode(1, [
      root,
      { depth: 1, name: 'a', versions: [{ kind: 'file', layer: 0, size: 9, flags: Flag.linked, inode: 0 }] },
      { depth: 1, name: 'b', versions: [{ kind: 'file', layer: 0, size: 9, flags: Flag.linked, inode: 0 }] },
      { depth: 1, name: 'c', versions: [{ kind: 'symlink', layer: 0, target: 'ü' }] },
    ]),
  );
  expect(layerFacts(made)[0].contentBytes).toBe(11);
});

const layer = (i: number): ReportLayer => ({
  index: i,
  diffID: `sha256:${i}`,
  chainID: `sha256:c${i}`,
  digest: '',
  mediaType: '',
  size: 1,
  tarSize: 1,
  entries: 1,
  createdBy: `RUN step ${i}`,
  present: true,
});
const image = (history: ReportImage['history'], layers = 2): ReportImage => ({
  id: 'sha256:x',
  refs: [],
  platform: 'linux/amd64',
  manifest: { size: 0 },
  config: { size: 0 },
  layers: Array.from({ length: layers }, (_, i) => layer(i)),
  history,
});

test('empty history entries stand between the layers where they happened', () => {
  const list = slabs(
    image([
      { created_by: 'ADD a', layer: 0 },
      { created_by: '/bin/sh -c #(nop)  CMD ["sh"]', empty_layer: true },
      { created_by: 'RUN b', layer: 1 },
    ]),
  );
  expect(
    list.map((s) => (s.kind === 'layer' ? s.layer.index : `${s.command.word} ${s.command.rest}`)),
  ).toEqual([0, 'CMD ["sh"]', 1]);
});

test('layers that the history forgot are shown nevertheless', () => {
  const list = slabs(image([{ created_by: 'ADD a', layer: 0 }]));
  expect(list.map((s) => s.kind === 'layer' && s.command.rest)).toEqual(['a', 'step 1']);
});

test('thickness grows with the logarithm and stays within 0 and 1', () => {
  expect(thickness(0, 100)).toBe(0);
  expect(thickness(1e9, 1e9)).toBeGreaterThan(0.95);
  expect(thickness(1e6, 1e9)).toBeLessThan(thickness(1e7, 1e9));
});

test('provenance tells newest first who wrote a path and what ended it', () => {
  const config = versionsOf(index, findNode(index, 'etc/my-app-config'));
  expect(config.map((v) => [v.layer, v.kind, v.endedBy, v.cause, v.offset])).toEqual([
    [1, 7, -1, 0, 512],
    [0, 1, 1, 2, 9728],
  ]);
});

test('a version tells what is not as in the one that it replaced', () => {
  const tools = versionsOf(index, findNode(index, 'bin/my-app-tools'));
  expect(tools.map((v) => [v.layer, v.what])).toEqual([
    [1, ['size', 'content']],
    [0, []],
  ]);
  expect(versionsOf(index, findNode(index, 'etc/my-app-config')).flatMap((v) => v.what)).toEqual([]);
});

test('an opaque whiteout is blamed by the folder that it stands in', () => {
  const node = findNode(index, 'etc/my-app.d/default.cfg');
  const [v] = versionsOf(index, node);
  expect(ender(index, node, v.at)).toBe('etc/my-app.d');
});

test('hard links know each other and where their content lies', () => {
  const [v] = versionsOf(index, findNode(index, 'etc/my-app.d/same.cfg'));
  expect(otherNames(index, v.at, 10)).toEqual(['etc/my-app.d/other.cfg']);
  expect(contentOf(index, v.at)).toEqual({ layer: 2, header: 1024, offset: 1536, size: 60 });
});
