import { Flag, type ImageIndex, Kind } from './index.ts';
import { contains, lowered, touches } from './names.ts';

/** merged: what is there after a layer; only: what that layer itself holds. */
export type Mode = 'merged' | 'only';

/** What a layer did to a path. `parent`: nothing, it stands there for what is in it. */
export const Status = { same: 0, added: 1, changed: 2, deleted: 3, parent: 4 } as const;

/**
 * The state of every node in one view. `version` is the version to show (that
 * which was ended, for deleted paths), -1 where the path is not in the view.
 * `below` says that something beneath it was added, changed or deleted; `size`
 * is the file's bytes, or the folder's with all in it, each inode once.
 */
export interface View {
  mode: Mode;
  layer: number;
  version: Int32Array;
  status: Uint8Array;
  below: Uint8Array;
  size: Float64Array;
}

/** Whether a version is just the folder before it, listed again: same mode, owner and attributes. */
export function relisted(index: ImageIndex, version: number, before: number): boolean {
  const v = index.versions;
  return (
    v.kind[version] === Kind.dir &&
    v.kind[before] === Kind.dir &&
    v.mode[version] === v.mode[before] &&
    v.uid[version] === v.uid[before] &&
    v.gid[version] === v.gid[before] &&
    !((v.flags[version] | v.flags[before]) & Flag.xattrs) &&
    !(v.flags[version] & Flag.opaque)
  );
}

/** What the layer of `version` did to the path of `node`, by making that version. */
export function statusOf(index: ImageIndex, node: number, version: number): number {
  const v = index.versions;
  if (v.kind[version] === Kind.whiteout) return Status.deleted;
  const before = version - 1;
  const had =
    before >= index.first[node] &&
    v.kind[before] !== Kind.whiteout &&
    v.until[before] === v.layer[version] + 1;
  if (!had) return Status.added;
  return relisted(index, version, before) ? Status.same : Status.changed;
}

/** Computes the state of all nodes after (or only in) the layer with that index. */
export function view(index: ImageIndex, mode: Mode, layer: number): View {
  const { nodes, first, parent } = index;
  // Columns in locals: this runs over half a million nodes between two frames.
  const { kind, flags, until, inode, layer: from, size: bytes } = index.versions;
  const version = new Int32Array(nodes).fill(-1);
  const status = new Uint8Array(nodes);
  const below = new Uint8Array(nodes);
  const size = new Float64Array(nodes);
  const seen = new Set<number>();
  const merged = mode === 'merged';
  for (let i = 0, k = 0; i < nodes; i++) {
    const start = k;
    const end = first[i + 1];
    for (; k < end; k++) {
      if (from[k] > layer) {
        k = end;
        break;
      }
      const own = from[k] === layer;
      if (!merged) {
        if (!own) continue;
        const opaque = flags[k] & Flag.opaque;
        const implicit = flags[k] & Flag.implicit;
        if (implicit && !opaque) continue;
        version[i] = k;
        status[i] = opaque && implicit ? Status.changed : statusOf(index, i, k);
      } else if (kind[k] === Kind.whiteout) {
        // The path is absent; what it hid has been noted as deleted.
      } else if (until[k] === 0 || until[k] > layer + 1) {
        const carried = flags[k] & Flag.implicit && k > start;
        version[i] = k;
        status[i] = own && !carried ? statusOf(index, i, k) : Status.same;
      } else if (until[k] === layer + 1) {
        version[i] = k;
        status[i] = Status.deleted;
      }
    }
  }
  for (let i = nodes - 1; i > 0; i--) {
    const k = version[i];
    if (k < 0) continue;
    const p = parent[i];
    const state = status[i];
    if (state !== Status.deleted) {
      if (kind[k] === Kind.file) {
        const n = inode[k];
        if (n < 0 || !seen.has(n)) size[i] += bytes[k];
        if (n >= 0) seen.add(n);
      }
      size[p] += size[i];
    }
    if (below[i] || (state !== Status.same && state !== Status.parent)) below[p] = 1;
    // In a layer's own entries a folder that the layer does not list stands
    // there for what is in it, as it was when the layer was laid on.
    if (version[p] < 0) {
      version[p] = merged ? first[p] : liveAt(index, p, layer);
      status[p] = Status.parent;
    }
  }
  return { mode, layer, version, status, below, size };
}

/** The version of a node that holds after the layer, or the first one. */
function liveAt(index: ImageIndex, node: number, layer: number): number {
  const { first, versions: v } = index;
  for (let k = first[node + 1] - 1; k >= first[node]; k--) {
    if (v.layer[k] <= layer && (v.until[k] === 0 || v.until[k] > layer)) return k;
  }
  return first[node];
}

/** Marks what a filter keeps: 1 for a hit, 2 for a folder with a hit in it. */
export function filter(index: ImageIndex, v: View, query: string): Uint8Array | null {
  const text = query.trim();
  if (text === '') return null;
  const parts = text.split('/').map((p) => new TextEncoder().encode(p).map(lowered));
  const keep = new Uint8Array(index.nodes);
  for (let i = index.nodes - 1; i > 0; i--) {
    if (v.version[i] < 0) continue;
    if (hit(index, i, parts)) keep[i] |= 1;
    if (keep[i]) keep[index.parent[i]] |= 2;
  }
  return keep;
}

/** Whether the path down to this node ends its match here: "a/b" hits b… in a folder …a. */
function hit(index: ImageIndex, node: number, parts: Uint8Array[]): boolean {
  const { bytes, nameAt, nameLen, parent } = index;
  const last = parts.length - 1;
  if (last === 0) return contains(bytes, nameAt[node], nameLen[node], parts[0]);
  let n = node;
  for (let p = last; p >= 0; p--, n = parent[n]) {
    if (n < 0) return false;
    const exact = p > 0 && p < last;
    if (exact && nameLen[n] !== parts[p].length) return false;
    if (n === 0 && parts[p].length > 0) return false;
    if (!touches(bytes, nameAt[n], nameLen[n], parts[p], p === 0)) return false;
  }
  return true;
}

/** The nodes to draw, in order: those in the view whose folders are all open. */
export function rows(
  index: ImageIndex,
  v: View,
  isOpen: (node: number) => boolean,
  keep: Uint8Array | null,
): Int32Array {
  const out = new Int32Array(index.nodes);
  let n = 0;
  for (let i = 1; i < index.nodes; ) {
    if (v.version[i] < 0 || (keep && !keep[i])) i = index.end[i];
    else {
      out[n++] = i;
      i = isOpen(i) ? i + 1 : index.end[i];
    }
  }
  return out.subarray(0, n);
}

/**
 * The folders to open so that all that the view's layer added, changed or
 * deleted is seen; none where that is more than `most` paths.
 */
export function reveal(index: ImageIndex, v: View, most: number): ReadonlySet<number> {
  const open = new Set<number>();
  let count = 0;
  for (let i = 1; i < index.nodes; i++) {
    if (v.status[i] === Status.same || v.version[i] < 0) continue;
    if (++count > most) return new Set();
    for (let p = index.parent[i]; p > 0 && !open.has(p); p = index.parent[p]) open.add(p);
  }
  return open;
}

/** Whether a node has something to unfold in this view. */
export function hasChildren(index: ImageIndex, v: View, node: number): boolean {
  for (let i = node + 1; i < index.end[node]; i = index.end[i]) if (v.version[i] >= 0) return true;
  return false;
}
