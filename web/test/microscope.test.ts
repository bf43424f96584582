import { expect, test } from 'vitest';
import { happened, nothing, shares } from '../src/core/microscope.ts';
import { pieces } from '../src/core/prose.ts';
import type { Change, Changes, Container, Image } from '../src/core/wire.ts';

const change = (
  kind: Change['kind'],
  path: string,
  size = 0,
  copiedUp = 0,
  more: Partial<Change> = {},
): Change => ({
  kind,
  path,
  type: 'file',
  size,
  copiedUp,
  ...more,
});
const look = (...list: Change[]): Changes => ({ changes: list, bytes: 0, copiedUp: 0, truncated: false });

test('all that a layer holds has happened since it held nothing', () => {
  const first = look(change('C', 'bin/tool', 103, 100), change('D', 'etc/gone'), change('A', 'new', 4));
  expect(happened(nothing, first)).toEqual([
    { kind: 'copy-up', path: 'bin/tool', bytes: 100 },
    { kind: 'grew', path: 'bin/tool', bytes: 3 },
    { kind: 'whiteout', path: 'etc/gone', bytes: 0 },
    { kind: 'new', path: 'new', bytes: 4 },
  ]);
});

test('what happened between two looks at a layer, with its bytes', () => {
  const before = look(
    change('A', 'same', 5),
    change('A', 'log', 10),
    change('A', 'tmp', 7),
    change('C', 'mode', 9, 9),
  );
  const after = look(
    change('A', 'same', 5),
    change('A', 'log', 25),
    change('C', 'bin/tool', 103, 100),
    change('C', 'mode', 9, 9),
    change('A', 'new', 4),
    change('D', 'etc/gone'),
    change('C', 'dir', 0, 0, { type: 'dir', opaque: true }),
  );
  expect(happened(before, after)).toEqual([
    { kind: 'grew', path: 'log', bytes: 15 },
    { kind: 'copy-up', path: 'bin/tool', bytes: 100 },
    { kind: 'grew', path: 'bin/tool', bytes: 3 },
    { kind: 'new', path: 'new', bytes: 4 },
    { kind: 'whiteout', path: 'etc/gone', bytes: 0 },
    { kind: 'opaque', path: 'dir', bytes: 0 },
    { kind: 'undone', path: 'tmp', bytes: -7 },
  ]);
  expect(happened(after, after)).toEqual([]);
  // A file that was written anew and renamed over the image's is copied up nowhere;
  // the folder above it stands in the layer without a byte.
  expect(
    happened(look(), look(change('C', 'etc', 0, 0, { type: 'dir' }), change('C', 'etc/passwd', 9))),
  ).toEqual([
    { kind: 'copy-up', path: 'etc', bytes: 0 },
    { kind: 'grew', path: 'etc/passwd', bytes: 9 },
  ]);
  expect(happened(look(change('A', 'x', 3)), { ...look(), truncated: true })).toEqual([]);
  // Who did it, where it is known.
  const by = { host: 4711, inside: 7, name: 'apk' };
  expect(happened(look(), look(change('C', 'lib', 12, 10, { by })))).toEqual([
    { kind: 'copy-up', path: 'lib', bytes: 10, by },
    { kind: 'grew', path: 'lib', bytes: 2, by },
  ]);
});

const layer = (chainID: string, size: number) => ({ diffID: chainID, chainID, size, createdBy: '' });
const image = (id: string, ...layers: Image['layers']) => ({ id, layers }) as Image;
const container = (id: string, of: string, state: Container['state'] = 'running') =>
  ({ id, name: id, image: of, state }) as Container;

test('what containers share is counted by layers, of those that run', () => {
  const images = [
    image('one', layer('base', 100), layer('app', 10)),
    image('two', layer('base', 100)),
    image('three', layer('x', 1)),
  ];
  const me = container('me', 'one');
  const all = [
    me,
    container('twin', 'one', 'exited'),
    container('cousin', 'two', 'paused'),
    container('stranger', 'three'),
  ];
  const s = shares(me, all, images);
  expect(s.with.map((c) => c.name)).toEqual(['cousin']);
  expect(s).toMatchObject({ layers: 1, of: 2, bytes: 100, all: 110 });
  expect(shares(me, [...all, container('clone', 'one')], images)).toMatchObject({ layers: 2, bytes: 110 });
  expect(shares(me, [me], images)).toMatchObject({ with: [], bytes: 0, all: 110 });
});

test('prose has terms and code in it', () =>
  expect(pieces('A [[whiteout]] hides `x` of [[layer|layers]].')).toEqual([
    { kind: 'text', text: 'A ' },
    { kind: 'term', term: 'whiteout', text: '' },
    { kind: 'text', text: ' hides ' },
    { kind: 'code', text: 'x' },
    { kind: 'text', text: ' of ' },
    { kind: 'term', term: 'layer', text: 'layers' },
    { kind: 'text', text: '.' },
  ]));
