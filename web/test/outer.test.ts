import { expect, test } from 'vitest';
import { type Bytes, outerFiles, rolesOf } from '../src/core/outer.ts';
import type { ReportImage } from '../src/core/wire.ts';

function bytesOf(...parts: (string | Uint8Array)[]): Bytes {
  const all = Buffer.concat(parts.map((p) => Buffer.from(p)));
  let at = 0;
  return {
    take: async (n) => {
      const part = new Uint8Array(all.subarray(at, at + n));
      at += part.length;
      return part;
    },
    skip: async (n) => {
      at += n;
    },
  };
}

function header(name: string, size: number, type = '0', more: (h: Buffer) => void = () => {}): Buffer {
  const h = Buffer.alloc(512);
  h.write(name);
  h.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  h.write(type, 156);
  h.write('ustar\0' + '00', 257);
  more(h);
  return h;
}
const content = (text: string) =>
  Buffer.concat([Buffer.from(text), Buffer.alloc((512 - (text.length % 512)) % 512)]);
const end = Buffer.alloc(1024);

test('files, folders and links, with long names of both kinds', async () => {
  const pax = '27 path=a/much/longer/name\n';
  const { files, more } = await outerFiles(
    bytesOf(
      header('d/', 0, '5'),
      header('PaxHeaders', pax.length, 'x'),
      content(pax),
      header('short', 3),
      content('abc'),
      header('././@LongLink', 9, 'L'),
      content('gnu/long\0'),
      header('gnu/lo', 0),
      header('layer.tar', 512, '2', (h) => h.write('../x/layer.tar', 157)),
      header('last', 0, '0', (h) => h.write('prefix', 345)),
      end,
    ),
    10,
  );
  expect(more).toBe(false);
  expect(files).toEqual([
    { name: 'd/', size: 0, kind: 'folder', target: '' },
    { name: 'a/much/longer/name', size: 3, kind: 'file', target: '' },
    { name: 'gnu/long', size: 0, kind: 'file', target: '' },
    { name: 'layer.tar', size: 0, kind: 'link', target: '../x/layer.tar' },
    { name: 'prefix/last', size: 0, kind: 'file', target: '' },
  ]);
});

test('documents are told with their text, and what follows is found', async () => {
  const index = '{"manifests":[]}';
  const { files } = await outerFiles(
    bytesOf(
      header('index.json', index.length),
      content(index),
      header('blobs/sha256/ab', 4),
      content('{"a"'),
      header('blobs/sha256/cd', 3),
      content('a\0b'),
      header('notes.txt', 2),
      content('no'),
      header('ab/json', 300 << 10),
      Buffer.alloc(300 << 10, ' '),
      header('ab/VERSION', 3),
      content('1.0'),
      end,
    ),
    10,
  );
  expect(files.map((f) => [f.name, f.text])).toEqual([
    ['index.json', index],
    ['blobs/sha256/ab', '{"a"'],
    ['blobs/sha256/cd', undefined],
    ['notes.txt', undefined],
    ['ab/json', undefined],
    ['ab/VERSION', '1.0'],
  ]);
});

test('sizes beyond eight octal gigabytes, too many files, and what is no tar', async () => {
  const big = header('big', 0, '0', (h) => {
    h.fill(0, 124, 136);
    h[124] = 0x80;
    h.writeUInt32BE(3, 128);
  });
  expect((await outerFiles(bytesOf(big), 10)).files).toEqual([
    { name: 'big', size: 3 * 2 ** 32, kind: 'file', target: '' },
  ]);
  expect(await outerFiles(bytesOf(header('a', 0), header('b', 0), end), 1)).toMatchObject({ more: true });
  expect(await outerFiles(bytesOf(Buffer.alloc(600, 'noise')), 10)).toEqual({ files: [], more: false });
});

test('each file is what the image says of it', () => {
  const image = {
    id: 'sha256:cc',
    config: { size: 1 },
    manifest: {
      digest: 'sha256:dd',
      size: 1,
      raw: '{"Config":"cc.json","Layers":["one/layer.tar","two/layer.tar"]}',
    },
    layers: [
      { index: 0, digest: 'sha256:aa' },
      { index: 1, digest: '' },
    ],
    v1: [{ id: 'one', raw: '{}' }],
  } as unknown as ReportImage;
  const link = (name: string, target: string) => ({ name, target, size: 0, kind: 'link' as const });
  const roles = rolesOf(image, [link('old/layer.tar', '../blobs/sha256/aa'), link('else/x', '../nowhere')]);
  expect(roles.get('old/layer.tar')).toEqual({ kind: 'layer', layer: 0 });
  expect(roles.get('old/json')).toEqual({ kind: 'v1' });
  expect(roles.has('else/x')).toBe(false);
  expect(roles.get('blobs/sha256/aa')).toEqual({ kind: 'layer', layer: 0 });
  expect(roles.get('two/layer.tar')).toEqual({ kind: 'layer', layer: 1 });
  expect(roles.get('one/json')).toEqual({ kind: 'v1' });
  expect(roles.get('cc.json')).toEqual({ kind: 'config' });
  expect(roles.get('blobs/sha256/cc')).toEqual({ kind: 'config' });
  expect(roles.get('blobs/sha256/dd')).toEqual({ kind: 'manifest' });
  expect(roles.get('repositories')).toEqual({ kind: 'names' });
  expect(roles.has('')).toBe(false);
  expect(rolesOf({ ...image, manifest: { size: 0 } } as unknown as ReportImage, []).has('cc.json')).toBe(
    false,
  );
});
