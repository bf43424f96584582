import { type Facet, facets, type Moment } from './diff.ts';
import { Cause, extra, Flag, type ImageIndex, Kind, nodePath } from './index.ts';
import { nameOf } from './names.ts';
import { relisted } from './status.ts';

/** One version of a path, worded for people by the page. */
export interface Version {
  at: number;
  kind: number;
  layer: number;
  /** The layer that ended it, -1: it is there to the top. */
  endedBy: number;
  cause: number;
  implicit: boolean;
  relisted: boolean;
  /** What is not as it was in the version that this one replaced. */
  what: Facet[];
  opaque: boolean;
  opaqueAt: number;
  copiedFrom: number;
  offset: number;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  target: string | null;
  device: [number, number] | null;
  xattrs: { key: string; value: string }[];
}

/** All versions of a node, newest first. */
export function versionsOf(index: ImageIndex, node: number): Version[] {
  const { first, versions: v } = index;
  const whole: Moment = { image: index.head.image, index, layer: index.layers - 1 };
  const out: Version[] = [];
  for (let k = first[node + 1] - 1; k >= first[node]; k--) {
    const more = extra(index, k);
    const before = k - 1;
    const replaces = before >= first[node] && v.until[before] === v.layer[k] + 1;
    const known = replaces && v.kind[before] !== Kind.whiteout && v.kind[k] !== Kind.whiteout;
    out.push({
      at: k,
      kind: v.kind[k],
      layer: v.layer[k],
      endedBy: v.until[k] - 1,
      cause: v.until[k] > 0 ? v.cause[k] : Cause.none,
      implicit: (v.flags[k] & Flag.implicit) !== 0,
      relisted: replaces && relisted(v, k, before),
      what: known ? facets(whole, before, whole, k) : [],
      opaque: (v.flags[k] & Flag.opaque) !== 0,
      opaqueAt: more.opaqueAt ?? -1,
      copiedFrom: v.flags[k] & Flag.copied ? v.home[k] : -1,
      offset: v.offset[k],
      size: v.size[k],
      mode: v.mode[k],
      uid: v.uid[k],
      gid: v.gid[k],
      mtime: v.mtime[k],
      target: more.target ? nameOf(more.target) : null,
      device: more.device ?? null,
      xattrs: (more.xattrs ?? []).map((x) => ({ key: x.key, value: nameOf(x.value) })),
    });
  }
  return out;
}

/** The other paths of a version's inode that are there together with it, at most `most`. */
export function otherNames(index: ImageIndex, version: number, most: number): string[] {
  const { first, versions: v } = index;
  const inode = v.inode[version];
  const names: string[] = [];
  if (inode < 0) return names;
  for (let i = 0; i < index.nodes && names.length < most; i++) {
    for (let k = first[i]; k < first[i + 1]; k++) {
      if (k !== version && v.inode[k] === inode) {
        names.push(nodePath(index, i));
        break;
      }
    }
  }
  return names;
}

/** The nearest folder above a node that a layer hid, emptied or retyped: who is to blame for a `hidden`, `opaque` or `retyped` end. */
export function ender(index: ImageIndex, node: number, version: number): string | null {
  const { versions: v, first, parent } = index;
  const layer = v.until[version] - 1;
  const cause = v.cause[version];
  if (cause !== Cause.hidden && cause !== Cause.opaque && cause !== Cause.retyped) return null;
  for (let p = parent[node]; p >= 0; p = parent[p]) {
    for (let k = first[p]; k < first[p + 1]; k++) {
      if (v.layer[k] === layer && cause === Cause.opaque && v.flags[k] & Flag.opaque)
        return nodePath(index, p);
      if (v.layer[k] === layer && cause === Cause.hidden && v.kind[k] === Kind.whiteout)
        return nodePath(index, p);
      if (v.layer[k] === layer && cause === Cause.retyped && v.kind[k] !== Kind.dir)
        return nodePath(index, p);
      if (v.until[k] - 1 === layer && v.cause[k] === Cause.whiteout && cause === Cause.hidden)
        return nodePath(index, p);
    }
  }
  return null;
}

/** Where the content of a version lies in a layer's tar, and where the headers of the entry that holds it begin. */
export interface Content {
  layer: number;
  header: number;
  offset: number;
  size: number;
}

/** The content of a version, or null where there is none to read. */
export function contentOf(index: ImageIndex, version: number): Content | null {
  const v = index.versions;
  if (v.kind[version] !== Kind.file) return null;
  const [layer, offset] = [v.home[version], v.data[version]];
  let header = v.offset[version];
  // A hard link's own header lies elsewhere: the one before the content is the nearest.
  if (v.flags[version] & (Flag.linked | Flag.copied)) {
    header = -1;
    for (let k = 0; k < v.count; k++) {
      if (v.data[k] === offset && v.layer[k] === layer && v.offset[k] < offset && v.kind[k] === Kind.file)
        header = Math.max(header, v.offset[k]);
    }
  }
  return { layer, header: header >= 0 && header < offset ? header : offset, offset, size: v.size[version] };
}
