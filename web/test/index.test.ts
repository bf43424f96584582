import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeIndex, extra, Flag, findNode, Kind, nodeName, nodePath } from '../src/core/index.ts';
import { encode, example, root } from './encode.ts';

const goldens = new URL('../../imagecore/index/testdata/', import.meta.url);

describe('decodeIndex', () => {
  test('gives each node its parent, its subtree and its versions', () => {
    const index = decodeIndex(example());
    expect(index.nodes).toBe(10);
    expect(Array.from({ length: 10 }, (_, i) => nodePath(index, i))).toEqual([
      '',
      'bin',
      'bin/my-app-binary',
      'bin/my-app-tools',
      'etc',
      'etc/my-app-config',
      'etc/my-app.d',
      'etc/my-app.d/default.cfg',
      'etc/my-app.d/other.cfg',
      'etc/my-app.d/same.cfg',
    ]);
    expect([...index.end]).toEqual([10, 4, 3, 4, 10, 6, 10, 8, 9, 10]);
    expect([...index.first]).toEqual([0, 1, 2, 3, 5, 6, 8, 10, 11, 12, 13]);
    expect(index.versions.size[4]).toBe(3500);
  });

  test('reads every field of every kind, beyond 32 bits and before 1970', () => {
    const index = decodeIndex(
      encode(2, [
        root,
        {
          depth: 1,
          name: 'big',
          versions: [
            {
              kind: 'file',
              layer: 1,
              offset: 2 ** 35,
              data: 2 ** 36,
              size: 2 ** 40,
              home: 0,
              mtime: -5,
              nsec: 7,
              uid: 4e9,
              gid: 70000,
              mode: 0o4755,
              inode: 3,
              flags: Flag.copied | Flag.linked | Flag.nanoseconds | Flag.xattrs,
              xattrs: [['user.a', 'b']],
            },
          ],
        },
        { depth: 1, name: 'dev', versions: [{ kind: 'char', layer: 0, device: [1, 300], mtime: 2 ** 33 }] },
        { depth: 1, name: 'link', versions: [{ kind: 'symlink', layer: 0, target: '../ü', mtime: 1 }] },
      ]),
    );
    const v = index.versions;
    expect([v.offset[1], v.data[1], v.size[1], v.home[1], v.layer[1]]).toEqual([
      2 ** 35,
      2 ** 36,
      2 ** 40,
      0,
      1,
    ]);
    expect([v.mtime[1], v.mtime[2], v.mtime[3]]).toEqual([-5, 2 ** 33, 1]);
    expect([v.uid[1], v.gid[1], v.mode[1], v.inode[1]]).toEqual([4e9, 70000, 0o4755, 3]);
    expect(extra(index, 1).xattrs).toEqual([{ key: 'user.a', value: new TextEncoder().encode('b') }]);
    expect(extra(index, 2).device).toEqual([1, 300]);
    expect(new TextDecoder().decode(extra(index, 3).target)).toBe('../ü');
  });

  test('escapes names that are not UTF-8 or would change the screen', () => {
    const names = [new Uint8Array([0x61, 0xff]), 'a\nb', 'x\u202egpj'];
    const index = decodeIndex(
      encode(1, [
        root,
        ...names.map((name) => ({ depth: 1, name, versions: [{ kind: 'file' as const, layer: 0 }] })),
      ]),
    );
    expect([1, 2, 3].map((i) => nodeName(index, i))).toEqual(['a%FF', 'a%0Ab', 'x%E2%80%AEgpj']);
  });

  test('finds nodes by path', () => {
    const index = decodeIndex(example());
    expect(findNode(index, 'etc/my-app.d/same.cfg')).toBe(9);
    expect(findNode(index, '')).toBe(0);
    expect(findNode(index, 'etc/nothing')).toBe(-1);
  });

  test('refuses what is no index, another version and an early end', () => {
    const good = example();
    expect(() => decodeIndex(new Uint8Array([1, 2, 3, 4, 1]))).toThrow('not an image index');
    expect(() => decodeIndex(good.with(4, 2))).toThrow('version 2');
    for (let n = 5; n < good.length; n += 7)
      expect(() => decodeIndex(good.subarray(0, n)), `cut at ${n}`).toThrow();
  });

  test('decodes half a million nodes', () => {
    const nodes = [root];
    for (let i = 0; i < 1000; i++) {
      nodes.push({ depth: 1, name: `d${i}`, versions: [{ kind: 'dir', layer: 0, mode: 0o755 }] });
      for (let k = 0; k < 499; k++)
        nodes.push({
          depth: 2,
          name: `f${k}`,
          versions: [{ kind: 'file', layer: 0, size: k, data: k * 512 }],
        });
    }
    const index = decodeIndex(encode(1, nodes));
    expect(index.nodes).toBe(500_001);
    expect(nodePath(index, 500_000)).toBe('d999/f498');
    expect(index.end[1]).toBe(501);
  }, 60_000);
});

interface GoldenVersion {
  kind: number;
  flags: number;
  layer: number;
  until: number;
  cause?: number;
  offset?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  size?: number;
  data?: number;
  home?: number;
  inode?: number;
  target?: string;
  dev?: string;
  xattrs?: Record<string, string>;
  opaqueOffset?: number;
}

interface Golden {
  head: unknown;
  nodes: { depth: number; name: string; versions: GoldenVersion[] }[];
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

test('reads the golden index of imagecore field by field', () => {
  const index = decodeIndex(new Uint8Array(readFileSync(new URL('small.index', goldens))));
  const golden = JSON.parse(readFileSync(new URL('small.json', goldens), 'utf8')) as Golden;
  expect(index.head).toEqual(golden.head);
  expect(index.nodes).toBe(golden.nodes.length);
  const v = index.versions;
  golden.nodes.forEach((node, i) => {
    const at = index.nameAt[i];
    expect(index.depth[i]).toBe(node.depth);
    expect(base64(index.bytes.subarray(at, at + index.nameLen[i]))).toBe(node.name ?? '');
    expect(index.first[i + 1] - index.first[i]).toBe((node.versions ?? []).length);
    (node.versions ?? []).forEach((want, n) => {
      const k = index.first[i] + n;
      const where = `${nodePath(index, i)} version ${n}`;
      const more = extra(index, k);
      expect([v.kind[k], v.flags[k], v.layer[k], v.until[k]], where).toEqual([
        want.kind,
        want.flags ?? 0,
        want.layer ?? 0,
        want.until ?? 0,
      ]);
      expect([v.cause[k], v.mode[k], v.uid[k], v.gid[k], v.size[k]], where).toEqual([
        want.cause ?? 0,
        want.mode ?? 0,
        want.uid ?? 0,
        want.gid ?? 0,
        want.size ?? 0,
      ]);
      if (!(v.flags[k] & Flag.implicit)) expect(v.offset[k], where).toBe(want.offset ?? 0);
      if (v.kind[k] !== Kind.whiteout) expect(v.mtime[k], where).toBe(want.mtime ?? 0);
      if (v.kind[k] === Kind.file)
        expect([v.data[k], v.home[k]], where).toEqual([
          want.data ?? 0,
          v.flags[k] & Flag.copied ? (want.home ?? 0) : v.layer[k],
        ]);
      if (v.flags[k] & Flag.linked) expect(v.inode[k], where).toBe(want.inode ?? 0);
      if (more.target) expect(base64(more.target), where).toBe(want.target ?? '');
      if (more.opaqueAt !== undefined) expect(more.opaqueAt, where).toBe(want.opaqueOffset ?? 0);
    });
  });
});
