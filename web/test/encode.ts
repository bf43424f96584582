// Writes the binary index for tests, from the words of imagecore/index/doc.go,
// so that the decoder is not tested against itself.
import { Flag, Kind } from '../src/core/index.ts';

export interface TestVersion {
  kind: keyof typeof Kind;
  layer: number;
  until?: number;
  cause?: number;
  flags?: number;
  offset?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  nsec?: number;
  size?: number;
  home?: number;
  data?: number;
  inode?: number;
  target?: string;
  device?: [number, number];
  xattrs?: [string, string][];
  opaqueAt?: number;
}

export interface TestNode {
  depth: number;
  name: string | Uint8Array;
  versions: TestVersion[];
}

export const root: TestNode = {
  depth: 0,
  name: '',
  versions: [{ kind: 'dir', layer: 0, flags: Flag.implicit, mode: 0o755 }],
};

export function encode(layers: number, nodes: TestNode[]): Uint8Array {
  const out: number[] = [];
  const uvarint = (value: number) => {
    let n = BigInt(value);
    while (n >= 0x80n) {
      out.push(Number(n & 0x7fn) | 0x80);
      n >>= 7n;
    }
    out.push(Number(n));
  };
  const string = (s: string | Uint8Array) => {
    const bytes = typeof s === 'string' ? new TextEncoder().encode(s) : s;
    uvarint(bytes.length);
    for (const b of bytes) out.push(b);
  };
  out.push(0x4c, 0x4c, 0x49, 0x58, 1);
  const image = { layers: Array.from({ length: layers }, (_, i) => ({ index: i })) };
  string(JSON.stringify({ image, warnings: [], lens: 'spec' }));
  uvarint(nodes.length);
  let before = 0;
  for (const node of nodes) {
    uvarint(node.depth);
    string(node.name);
    uvarint(node.versions.length);
    for (const v of node.versions) {
      const flags = v.flags ?? 0;
      out.push(Kind[v.kind], flags);
      uvarint(v.layer);
      uvarint(v.until ?? 0);
      if (v.until) out.push(v.cause ?? 1);
      if (!(flags & Flag.implicit)) uvarint(v.offset ?? 0);
      if (v.kind !== 'whiteout') {
        uvarint(v.mode ?? 0o644);
        uvarint(v.uid ?? 0);
        uvarint(v.gid ?? 0);
        const delta = (v.mtime ?? 0) - before;
        uvarint(delta >= 0 ? delta * 2 : -delta * 2 - 1);
        before = v.mtime ?? 0;
      }
      if (flags & Flag.nanoseconds) uvarint(v.nsec ?? 0);
      if (v.kind === 'file') {
        uvarint(v.size ?? 0);
        if (flags & Flag.copied) uvarint(v.home ?? 0);
        uvarint(v.data ?? 0);
      }
      if (flags & Flag.linked) uvarint(v.inode ?? 0);
      if (v.kind === 'symlink') string(v.target ?? '');
      if (v.kind === 'char' || v.kind === 'block') for (const n of v.device ?? [0, 0]) uvarint(n);
      if (flags & Flag.xattrs) {
        uvarint(v.xattrs?.length ?? 0);
        for (const [key, value] of v.xattrs ?? []) {
          string(key);
          string(value);
        }
      }
      if (flags & Flag.opaque) uvarint(v.opaqueAt ?? 0);
    }
  }
  return Uint8Array.from(out);
}

/**
 * The specification's example: etc/my-app-config, bin/my-app-binary and
 * bin/my-app-tools; then etc/my-app.d/default.cfg added, bin/my-app-tools
 * changed, etc/my-app-config deleted; then etc/my-app.d emptied by an opaque
 * whiteout and filled again.
 */
export function example(): Uint8Array {
  return encode(3, [
    root,
    { depth: 1, name: 'bin', versions: [{ kind: 'dir', layer: 0, offset: 0, mode: 0o755 }] },
    {
      depth: 2,
      name: 'my-app-binary',
      versions: [{ kind: 'file', layer: 0, offset: 512, data: 1024, size: 4000, mode: 0o755 }],
    },
    {
      depth: 2,
      name: 'my-app-tools',
      versions: [
        { kind: 'file', layer: 0, until: 2, cause: 1, offset: 5120, data: 5632, size: 3000, mode: 0o755 },
        { kind: 'file', layer: 1, offset: 2048, data: 2560, size: 3500, mode: 0o755 },
      ],
    },
    { depth: 1, name: 'etc', versions: [{ kind: 'dir', layer: 0, offset: 9216, mode: 0o755 }] },
    {
      depth: 2,
      name: 'my-app-config',
      versions: [
        { kind: 'file', layer: 0, until: 2, cause: 2, offset: 9728, data: 10240, size: 100 },
        { kind: 'whiteout', layer: 1, offset: 512 },
      ],
    },
    {
      depth: 2,
      name: 'my-app.d',
      versions: [
        { kind: 'dir', layer: 1, until: 3, cause: 1, offset: 0, mode: 0o755 },
        { kind: 'dir', layer: 2, offset: 0, flags: Flag.opaque, opaqueAt: 512, mode: 0o755 },
      ],
    },
    {
      depth: 3,
      name: 'default.cfg',
      versions: [{ kind: 'file', layer: 1, until: 3, cause: 4, offset: 1024, data: 1536, size: 50 }],
    },
    {
      depth: 3,
      name: 'other.cfg',
      versions: [
        { kind: 'file', layer: 2, offset: 1024, data: 1536, size: 60, flags: Flag.linked, inode: 0 },
      ],
    },
    {
      depth: 3,
      name: 'same.cfg',
      versions: [
        { kind: 'file', layer: 2, offset: 2048, data: 1536, size: 60, flags: Flag.linked, inode: 0 },
      ],
    },
  ]);
}
