import type { ImageIndex } from './index.ts';
import { Flag, Kind, Status } from './kinds.ts';
import { contains, lowered, touches } from './names.ts';

export { Status } from './kinds.ts';

/** merged: what is there after a layer; only: what that layer itself holds. */
export type Mode = 'merged' | 'only';

/**
 * The state of every node in one view. `version` is the version to show (that
 * which was ended, for deleted paths), -1 where the path is not in the view.
 * `touched` counts what was added, changed or deleted in a subtree, its root
 * included; `size` is the file's bytes, or the folder's with all in it, each
 * inode once, at its last name; nothing for what is deleted.
 */
export interface View {
  mode: Mode;
  layer: number;
  version: Int32Array;
  status: Uint8Array;
  touched: Int32Array;
  size: Float64Array;
}

/** Whether something beneath a node was added, changed or deleted. */
export function touchedBelow(v: View, node: number): boolean {
  return v.touched[node] > counts(v.status[node]);
}

export const counts = (status: number) => (status === Status.same || status === Status.parent ? 0 : 1);

/** What a view shows of a node: version × 8 + status, -1 for nothing. */
export function shownAt(index: ImageIndex, merged: boolean, layer: number, node: number): number {
  const { first, did } = index;
  const { kind, flags, until, layer: from } = index.versions;
  const start = first[node];
  let k = first[node + 1] - 1;
  while (k >= start && from[k] > layer) k--;
  if (k < start) return -1;
  const own = from[k] === layer;
  if (!merged) {
    const f = flags[k] & (Flag.implicit | Flag.opaque);
    if (!own || f === Flag.implicit) return -1;
    return k * 8 + (f & Flag.implicit ? Status.changed : did[k]);
  }
  if (kind[k] === Kind.whiteout) {
    // Behind a whiteout of this very layer stands what it deleted.
    return own && k > start && until[k - 1] === layer + 1 ? (k - 1) * 8 + Status.deleted : -1;
  }
  const end = until[k];
  if (end === 0 || end > layer + 1) return k * 8 + (own ? did[k] : Status.same);
  return end === layer + 1 ? k * 8 + Status.deleted : -1;
}

/** Computes the state of all nodes after (or only in) the layer with that index, into the arrays of `into` where given. */
export function view(index: ImageIndex, mode: Mode, layer: number, into?: View): View {
  const { nodes, parent } = index;
  const { kind, inode, size: bytes } = index.versions;
  const version = into?.version ?? new Int32Array(nodes);
  const status = into?.status ?? new Uint8Array(nodes);
  const touched = into?.touched.fill(0) ?? new Int32Array(nodes);
  const size = into?.size.fill(0) ?? new Float64Array(nodes);
  const seen = new Uint8Array(index.inodes);
  const merged = mode === 'merged';
  if (!merged) version.fill(0);
  for (let i = nodes - 1; i >= 0; i--) {
    const shown = shownAt(index, merged, layer, i);
    if (shown >= 0) {
      const k = shown >> 3;
      const state = shown & 7;
      version[i] = k;
      status[i] = state;
      touched[i] += counts(state);
      if (kind[k] === Kind.file && state !== Status.deleted) {
        const n = inode[k];
        if (n < 0) size[i] = bytes[k];
        else if (seen[n] === 0) {
          seen[n] = 1;
          size[i] = bytes[k];
        }
      }
    } else if (!merged && version[i] === 1) {
      // In a layer's own entries a folder that the layer does not list stands
      // there for what is in it, as it was when the layer was laid on.
      version[i] = liveAt(index, i, layer);
      status[i] = Status.parent;
    } else {
      version[i] = -1;
      status[i] = 0;
      continue;
    }
    if (i === 0) break;
    const p = parent[i];
    if (!merged) version[p] = 1;
    touched[p] += touched[i];
    size[p] += size[i];
  }
  return { mode, layer, version, status, touched, size };
}

/** The version of a node that holds after the layer, or the first one. */
export function liveAt(index: ImageIndex, node: number, layer: number): number {
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
  let out = new Int32Array(Math.min(index.nodes, 4096));
  let n = 0;
  for (let i = 1; i < index.nodes; ) {
    if (v.version[i] < 0 || (keep && !keep[i])) i = index.end[i];
    else {
      if (n === out.length) {
        const more = new Int32Array(n * 2);
        more.set(out);
        out = more;
      }
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
  if (v.touched[0] > most) return open;
  for (let i = 1; i < index.nodes; ) {
    if (v.version[i] < 0 || v.touched[i] === 0) {
      i = index.end[i];
      continue;
    }
    if (v.status[i] !== Status.same)
      for (let p = index.parent[i]; p > 0 && !open.has(p); p = index.parent[p]) open.add(p);
    i++;
  }
  return open;
}

/** Whether a node has something to unfold in this view. */
export function hasChildren(index: ImageIndex, v: View, node: number): boolean {
  for (let i = node + 1; i < index.end[node]; i = index.end[i]) if (v.version[i] >= 0) return true;
  return false;
}
