import { extra, type ImageIndex, nodePath } from './index.ts';
import { Flag, Kind, Status } from './kinds.ts';
import { pairs } from './pairs.ts';
import type { ReportImage } from './wire.ts';

/** A tree to compare: that of an image after one of its layers; -1 is the empty tree below the lowest. */
export interface Moment {
  image: ReportImage;
  index: ImageIndex;
  layer: number;
}

/** What differs of a path that is there before and after; the words of `layerlab diff --json`. */
export type Facet =
  | 'type'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'size'
  | 'mtime'
  | 'content'
  | 'target'
  | 'dev'
  | 'xattrs';

/**
 * The paths that differ, in the order of path components. `before` and `after`
 * are nodes, -1 where there is none; `seen` is the bytes that a container sees
 * more (or less), `stored` what the layers carry more: a chown gains nothing
 * and stores the whole file again.
 */
export interface Diff {
  before: Moment;
  after: Moment;
  kind: Uint8Array;
  nodeBefore: Int32Array;
  nodeAfter: Int32Array;
  seen: Float64Array;
  stored: Float64Array;
  added: number;
  changed: number;
  deleted: number;
}

/** The version that holds after a layer, -1 where the path is not there. */
export function holds(index: ImageIndex, node: number, layer: number): number {
  const { first, versions: v } = index;
  for (let k = first[node + 1] - 1; k >= first[node]; k--) {
    if (v.layer[k] > layer) continue;
    return v.kind[k] !== Kind.whiteout && (v.until[k] === 0 || v.until[k] > layer + 1) ? k : -1;
  }
  return -1;
}

/** What the layers up to a moment carry that the other moment's do not: true by layer, and never above the moment. */
export function apart(m: Moment, other: Moment): boolean[] {
  const have = new Map<string, number>();
  for (const l of other.image.layers.slice(0, other.layer + 1))
    have.set(l.diffID, (have.get(l.diffID) ?? 0) + 1);
  return m.image.layers.slice(0, m.layer + 1).map((l) => {
    const n = have.get(l.diffID) ?? 0;
    if (n > 0) have.set(l.diffID, n - 1);
    return n === 0;
  });
}

/**
 * Compares two trees by what their indexes know. A file is taken to be the same
 * where size, time, mode and owner are, unless one image says by layer and byte
 * that its bytes come from elsewhere: contents are not read.
 */
export function diffOf(before: Moment, after: Moment): Diff {
  const [a, b] = [before.index, after.index];
  const [own, new_] = [apart(before, after), apart(after, before)];
  const kind: number[] = [];
  const nodeBefore: number[] = [];
  const nodeAfter: number[] = [];
  const seen: number[] = [];
  const stored: number[] = [];
  const counts = [0, 0, 0, 0];
  const [seenA, seenB] = [new Uint8Array(a.inodes), new Uint8Array(b.inodes)];
  pairs(a, b, (i, j) => {
    const x = i < 0 ? -1 : holds(a, i, before.layer);
    const y = j < 0 ? -1 : holds(b, j, after.layer);
    if (x < 0 && y < 0) return;
    const [p, q] = [bytesOf(a, x, seenA), bytesOf(b, y, seenB)];
    const state =
      x < 0
        ? Status.added
        : y < 0
          ? Status.deleted
          : differ(before, x, after, y)
            ? Status.changed
            : Status.same;
    if (state === Status.same || (i === 0 && (x < 0 || y < 0))) return;
    counts[state]++;
    kind.push(state);
    nodeBefore.push(x < 0 ? -1 : i);
    nodeAfter.push(y < 0 ? -1 : j);
    seen.push(q - p);
    stored.push((y >= 0 && new_[b.versions.home[y]] ? q : 0) - (x >= 0 && own[a.versions.home[x]] ? p : 0));
  });
  return {
    before,
    after,
    kind: Uint8Array.from(kind),
    nodeBefore: Int32Array.from(nodeBefore),
    nodeAfter: Int32Array.from(nodeAfter),
    seen: Float64Array.from(seen),
    stored: Float64Array.from(stored),
    added: counts[Status.added],
    changed: counts[Status.changed],
    deleted: counts[Status.deleted],
  };
}

/** A file's bytes; those of several names count under the first that asks. */
export function bytesOf(index: ImageIndex, version: number, seen: Uint8Array): number {
  const v = index.versions;
  if (version < 0 || v.kind[version] !== Kind.file) return 0;
  const inode = v.inode[version];
  if (inode >= 0) {
    if (seen[inode] !== 0) return 0;
    seen[inode] = 1;
  }
  return v.size[version];
}

/** Whether the bytes of two versions are known to be the same: the same place in the same layer. */
function samePlace(before: Moment, x: number, after: Moment, y: number): boolean {
  const [v, w] = [before.index.versions, after.index.versions];
  return (
    v.data[x] === w.data[y] &&
    before.image.layers[v.home[x]]?.diffID === after.image.layers[w.home[y]]?.diffID
  );
}

function differ(before: Moment, x: number, after: Moment, y: number): boolean {
  if (before.index === after.index && x === y) return false;
  return facets(before, x, after, y).length > 0;
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined) =>
  a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((c, i) => c === b[i]));

/** What differs between two versions of a path. */
export function facets(before: Moment, x: number, after: Moment, y: number): Facet[] {
  const [v, w] = [before.index.versions, after.index.versions];
  const kind = w.kind[y];
  if (v.kind[x] !== kind) return ['type'];
  const out: Facet[] = [];
  if (v.mode[x] !== w.mode[y] && kind !== Kind.symlink) out.push('mode');
  if (v.uid[x] !== w.uid[y]) out.push('uid');
  if (v.gid[x] !== w.gid[y]) out.push('gid');
  const time = v.mtime[x] !== w.mtime[y];
  if (time && kind !== Kind.dir) out.push('mtime');
  if ((v.flags[x] | w.flags[y]) & Flag.xattrs) {
    const [p, q] = [extra(before.index, x).xattrs ?? [], extra(after.index, y).xattrs ?? []];
    if (p.length !== q.length || p.some((r, i) => r.key !== q[i].key || !sameBytes(r.value, q[i].value)))
      out.push('xattrs');
  }
  if (kind === Kind.file) {
    if (v.size[x] !== w.size[y]) out.push('size', 'content');
    else if (v.size[x] > 0 && time && !samePlace(before, x, after, y)) out.push('content');
  } else if (kind === Kind.symlink) {
    if (!sameBytes(extra(before.index, x).target, extra(after.index, y).target)) out.push('target');
  } else if (kind === Kind.char || kind === Kind.block) {
    const [p, q] = [extra(before.index, x).device, extra(after.index, y).device];
    if (p?.[0] !== q?.[0] || p?.[1] !== q?.[1]) out.push('dev');
  }
  return out;
}

/** A path that differs, ready to be read. */
export interface DiffLine {
  kind: number;
  path: string;
  what: Facet[];
  seen: number;
  stored: number;
  /** The version in the moment before, -1 for what was added, and after, -1 for what was deleted. */
  before: number;
  after: number;
}

export function diffLine(d: Diff, at: number): DiffLine {
  const [i, j] = [d.nodeBefore[at], d.nodeAfter[at]];
  const x = i < 0 ? -1 : holds(d.before.index, i, d.before.layer);
  const y = j < 0 ? -1 : holds(d.after.index, j, d.after.layer);
  return {
    kind: d.kind[at],
    path: j < 0 ? nodePath(d.before.index, i) : nodePath(d.after.index, j),
    what: x >= 0 && y >= 0 ? facets(d.before, x, d.after, y) : [],
    seen: d.seen[at],
    stored: d.stored[at],
    before: x,
    after: y,
  };
}

/** The numbers of the `most` paths with the largest difference, in layers or to a container; the kinds may be narrowed down. */
export function largest(d: Diff, most: number, kinds: readonly number[]): number[] {
  const weight = (i: number) => Math.max(Math.abs(d.stored[i]), Math.abs(d.seen[i]));
  return Array.from(d.kind.keys())
    .filter((i) => kinds.includes(d.kind[i]))
    .sort((x, y) => weight(y) - weight(x) || x - y)
    .slice(0, most);
}
