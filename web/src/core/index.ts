import { Cursor } from './bytes.ts';
import { Flag, Kind } from './kinds.ts';
import { nameOf } from './names.ts';
import { sameNames } from './samename.ts';
import { deeds } from './status.ts';
import { stretches } from './stretch.ts';
import type { ReportImage, ReportWarning } from './wire.ts';

export { Cause, Flag, Kind } from './kinds.ts';

export interface Head {
  image: ReportImage;
  warnings: ReportWarning[] | null;
  lens: string;
}

/**
 * An image's index as columns: node i of `nodes` has its versions at
 * first[i] … first[i+1]-1, and its subtree is i+1 … end[i]-1. Node 0 is the
 * root. What few versions have (targets, devices, xattrs) stays in `bytes`
 * and is read by `extra` when asked for.
 */
export interface ImageIndex {
  head: Head;
  bytes: Uint8Array;
  nodes: number;
  layers: number;
  depth: Uint16Array;
  parent: Int32Array;
  end: Int32Array;
  nameAt: Uint32Array;
  nameLen: Uint16Array;
  first: Uint32Array;
  versions: Versions;
  /** What the layer of each version did by making it; see deeds. */
  did: Uint8Array;
  /** Neighbours of one life, at the first of them the node past the last; see stretches. */
  stretch: Int32Array;
  /** The first node with the same name; see sameNames. */
  sameName: Int32Array;
  /** Inodes with more than one name. */
  inodes: number;
}

export interface Versions {
  count: number;
  kind: Uint8Array;
  flags: Uint8Array;
  cause: Uint8Array;
  layer: Uint16Array;
  /** 0: to the top; else 1 + the layer that ended it. */
  until: Uint16Array;
  mode: Uint16Array;
  /** Layer that holds the content: `layer`, but for copied ones. */
  home: Uint16Array;
  uid: Uint32Array;
  gid: Uint32Array;
  /** Number of the inode, -1 where it has one name only. */
  inode: Int32Array;
  /** Position in `bytes` of what follows size, data and inode. */
  extra: Uint32Array;
  /** Byte in the layer's tar, -1 for implicit ones. */
  offset: Float64Array;
  size: Float64Array;
  data: Float64Array;
  mtime: Float64Array;
}

function makeVersions(n: number): Versions {
  return {
    count: 0,
    kind: new Uint8Array(n),
    flags: new Uint8Array(n),
    cause: new Uint8Array(n),
    layer: new Uint16Array(n),
    until: new Uint16Array(n),
    mode: new Uint16Array(n),
    home: new Uint16Array(n),
    uid: new Uint32Array(n),
    gid: new Uint32Array(n),
    inode: new Int32Array(n).fill(-1),
    extra: new Uint32Array(n),
    offset: new Float64Array(n).fill(-1),
    size: new Float64Array(n),
    data: new Float64Array(n),
    mtime: new Float64Array(n),
  };
}

function grown(v: Versions, n: number): Versions {
  const w = makeVersions(n);
  for (const key of Object.keys(w) as (keyof Versions)[]) {
    const to = w[key];
    const from = v[key];
    if (typeof to !== 'number' && typeof from !== 'number') to.set(from);
  }
  w.count = v.count;
  return w;
}

/** Decodes the bytes that imagecore's index.Append writes (format: imagecore/index/doc.go). */
export function decodeIndex(bytes: Uint8Array): ImageIndex {
  const c = new Cursor(bytes);
  if (c.byte() !== 0x4c || c.byte() !== 0x4c || c.byte() !== 0x49 || c.byte() !== 0x58) {
    throw new RangeError('not an image index');
  }
  const format = c.byte();
  if (format !== 1) throw new RangeError(`image index of version ${format}, this page reads version 1`);
  const head = JSON.parse(new TextDecoder().decode(c.string())) as Head;
  const nodes = c.uvarint();
  if (nodes > bytes.length)
    throw new RangeError(`image index claims ${nodes} nodes in ${bytes.length} bytes`);

  const depth = new Uint16Array(nodes);
  const parent = new Int32Array(nodes);
  const end = new Int32Array(nodes);
  const nameAt = new Uint32Array(nodes);
  const nameLen = new Uint16Array(nodes);
  const first = new Uint32Array(nodes + 1);
  let v = makeVersions(nodes + (nodes >> 2) + 16);
  let count = 0;
  let mtime = 0;
  const open: number[] = []; // the path from the root to the node before

  for (let i = 0; i < nodes; i++) {
    const d = c.uvarint();
    if (d > open.length || (d === 0) !== (i === 0)) throw new RangeError(`node ${i} has the wrong depth`);
    while (open.length > d) end[open.pop() as number] = i;
    depth[i] = d;
    parent[i] = d === 0 ? -1 : open[d - 1];
    open.push(i);
    nameAt[i] = c.skipString();
    nameLen[i] = c.at - nameAt[i];
    first[i] = count;
    const n = c.uvarint();
    for (let k = 0; k < n; k++) {
      if (count === v.kind.length) v = grown(v, count * 2);
      mtime = decodeVersion(c, v, count, mtime);
      count++;
    }
  }
  while (open.length > 0) end[open.pop() as number] = nodes;
  first[nodes] = count;
  v.count = count;
  let inodes = 0;
  for (let k = 0; k < count; k++) if (v.inode[k] >= inodes) inodes = v.inode[k] + 1;
  return {
    did: deeds({ nodes, first, versions: v }),
    sameName: sameNames({ nodes, bytes, nameAt, nameLen }),
    stretch: stretches({ nodes, parent, end, first, versions: v }),
    inodes,
    head,
    bytes,
    nodes,
    layers: head.image.layers.length,
    depth,
    parent,
    end,
    nameAt,
    nameLen,
    first,
    versions: v,
  };
}

function decodeVersion(c: Cursor, v: Versions, at: number, mtimeBefore: number): number {
  const kind = c.byte();
  const flags = c.byte();
  v.kind[at] = kind;
  v.flags[at] = flags;
  v.layer[at] = c.uvarint();
  v.home[at] = v.layer[at];
  v.until[at] = c.uvarint();
  if (v.until[at] > 0) v.cause[at] = c.byte();
  let mtime = mtimeBefore;
  if (!(flags & Flag.implicit)) v.offset[at] = c.uvarint();
  if (kind !== Kind.whiteout) {
    v.mode[at] = c.uvarint();
    v.uid[at] = c.uvarint();
    v.gid[at] = c.uvarint();
    mtime += c.varint();
    v.mtime[at] = mtime;
  }
  if (flags & Flag.nanoseconds) c.uvarint();
  if (kind === Kind.file) {
    v.size[at] = c.uvarint();
    if (flags & Flag.copied) v.home[at] = c.uvarint();
    v.data[at] = c.uvarint();
  }
  if (flags & Flag.linked) v.inode[at] = c.uvarint();
  v.extra[at] = c.at;
  readExtra(c, kind, flags);
  return mtime;
}

export interface Extra {
  target?: Uint8Array;
  device?: [number, number];
  xattrs?: { key: string; value: Uint8Array }[];
  /** Byte of the opaque whiteout's header in the layer's tar. */
  opaqueAt?: number;
}

function readExtra(c: Cursor, kind: number, flags: number): Extra {
  const x: Extra = {};
  if (kind === Kind.symlink) x.target = c.string();
  if (kind === Kind.char || kind === Kind.block) x.device = [c.uvarint(), c.uvarint()];
  if (flags & Flag.xattrs) {
    x.xattrs = [];
    for (let n = c.uvarint(); n > 0; n--) x.xattrs.push({ key: nameOf(c.string()), value: c.string() });
  }
  if (flags & Flag.opaque) x.opaqueAt = c.uvarint();
  return x;
}

/** What few versions have: symlink target, device numbers, extended attributes, the opaque whiteout's place. */
export function extra(index: ImageIndex, version: number): Extra {
  const { kind, flags, extra: at } = index.versions;
  return readExtra(new Cursor(index.bytes, at[version]), kind[version], flags[version]);
}

export function nodeName(index: ImageIndex, node: number): string {
  const at = index.nameAt[node];
  return nameOf(index.bytes.subarray(at, at + index.nameLen[node]));
}

/** The path of a node without a leading slash; "" is the root. */
export function nodePath(index: ImageIndex, node: number): string {
  const parts: string[] = [];
  for (let n = node; n > 0; n = index.parent[n]) parts.push(nodeName(index, n));
  return parts.reverse().join('/');
}

/** The node of a path as nodePath words it, or -1. */
export function findNode(index: ImageIndex, path: string): number {
  let node = 0;
  for (const part of path.split('/').filter((p) => p !== '')) {
    let child = node + 1;
    while (child < index.end[node] && nodeName(index, child) !== part) child = index.end[child];
    if (child >= index.end[node]) return -1;
    node = child;
  }
  return node;
}
