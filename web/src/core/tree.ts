import { type ImageIndex, nodeName, nodePath } from './index.ts';
import { Flag, Kind, Status } from './kinds.ts';
import { contains, lowered, touches } from './names.ts';
import { asks, globHits, parseQuery, type Query, reachOf } from './query.ts';

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
  const { nodes, parent, first, did } = index;
  const { kind, inode, until, layer: from, size: bytes } = index.versions;
  const version = into?.version ?? new Int32Array(nodes);
  const status = into?.status ?? new Uint8Array(nodes);
  const touched = into?.touched.fill(0) ?? new Int32Array(nodes);
  const size = into?.size.fill(0) ?? new Float64Array(nodes);
  const seen = new Uint8Array(index.inodes);
  const merged = mode === 'merged';
  if (!merged) version.fill(0);
  for (let i = nodes - 1; i >= 0; i--) {
    let k = first[i];
    let state: number = Status.same;
    if (merged && first[i + 1] === k + 1 && kind[k] !== Kind.whiteout) {
      // Nearly all have one version: what shownAt says of those, without a call.
      const end = until[k];
      if (from[k] > layer || (end !== 0 && end <= layer)) k = -1;
      else if (end === layer + 1) state = Status.deleted;
      else if (from[k] === layer) state = did[k];
    } else {
      const shown = shownAt(index, merged, layer, i);
      k = shown >> 3;
      state = shown & 7;
    }
    if (k >= 0) {
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

/** Marks what a filter keeps: 1 for a hit, 2 for a folder with a hit in it. Null where it asks for nothing. */
export function filter(index: ImageIndex, v: View, text: string): Uint8Array | null {
  const q = parseQuery(text);
  if (!asks(q)) return null;
  const keep = new Uint8Array(index.nodes);
  if (q.broken) return keep;
  const parts = q.text === '' ? null : q.text.split('/').map((p) => new TextEncoder().encode(p).map(lowered));
  const { glob } = q;
  const named = glob
    ? once(index, (node) => globHits(index.bytes, index.nameAt[node], index.nameLen[node], glob))
    : q.pattern && matcher(index, q.pattern, q.wholePath);
  const ends = parts && ((node: number) => hit(index, node, parts));
  const said = parts?.length === 1 && ends ? once(index, ends) : ends;
  for (let i = index.nodes - 1; i > 0; i--) {
    if (v.version[i] < 0) continue;
    if ((said === null || said(i)) && (named === null || named(i)) && fits(index, v, i, q)) keep[i] |= 1;
    if (keep[i]) keep[index.parent[i]] |= 2;
  }
  return keep;
}

/** How many hits a filter has. */
export function hitsOf(keep: Uint8Array): number {
  let n = 0;
  for (let i = 0; i < keep.length; i++) n += keep[i] & 1;
  return n;
}

/** Asks about each name once, whichever nodes have it. */
function once(index: ImageIndex, ask: (node: number) => boolean): (node: number) => boolean {
  const { sameName } = index;
  const known = new Uint8Array(index.nodes); // 1: no, 2: yes
  return (node) => {
    const first = sameName[node];
    if (known[first] === 0) known[first] = ask(first) ? 2 : 1;
    return known[first] === 2;
  };
}

const letters = ['', 'f', 'd', 'l', 'c', 'b', 'p', ''];

function fits(index: ImageIndex, v: View, node: number, q: Query): boolean {
  const { kind, mode, layer } = index.versions;
  const k = v.version[node];
  if (q.is.length > 0 && !q.is.includes(v.status[node])) return false;
  if (q.layer !== null && layer[k] !== q.layer) return false;
  if (q.type !== '' && letters[kind[k]] !== q.type) return false;
  if (q.setuid && !(kind[k] === Kind.file && mode[k] & 0o6000)) return false;
  if (q.least < 0 && q.most === Number.POSITIVE_INFINITY) return true;
  const bytes = kind[k] === Kind.file ? index.versions.size[k] : v.size[node];
  return bytes >= q.least && bytes <= q.most;
}

/** So many names are made of their letters before the text of all bytes is worth its time. */
const few = 20_000;

/** The index's bytes as text of one letter a byte, where many names were cut from it. */
const known = new WeakMap<ImageIndex, string>();

/**
 * Words the names of nodes. Texts are made as they are asked for and let go: half
 * a million that are kept cost more than they spare.
 */
function texts(index: ImageIndex): (node: number) => string {
  const { bytes, nameAt, nameLen } = index;
  let all = known.get(index);
  let asked = 0;
  return (node) => {
    const from = nameAt[node];
    const end = from + nameLen[node];
    for (let at = from; at < end; at++)
      if (bytes[at] < 0x20 || bytes[at] >= 0x7f) return nodeName(index, node);
    if (all === undefined && asked++ < few) return String.fromCharCode(...bytes.subarray(from, end));
    if (all === undefined) {
      all = new TextDecoder('latin1').decode(bytes);
      known.set(index, all);
    }
    return all.slice(from, end);
  };
}

/** Whether a node's name, or path, is what a pattern says, for nodes in descending order. */
function matcher(index: ImageIndex, pattern: RegExp, whole: boolean): (node: number) => boolean {
  const name = texts(index);
  const own = once(index, (node) => pattern.test(name(node)));
  const reach = whole ? reachOf(pattern) : 'last';
  if (reach === 'last') return own;
  if (reach === 'names') return anywhere(index, own);
  // Neighbours lie in one folder.
  let folder = -1;
  let above = '';
  return (node) => {
    if (index.parent[node] !== folder) {
      folder = index.parent[node];
      above = folder > 0 ? `${nodePath(index, folder)}/` : '';
    }
    return pattern.test(above + name(node));
  };
}

/** Whether a node, or a folder above it, is what is asked for. */
function anywhere(index: ImageIndex, own: (node: number) => boolean): (node: number) => boolean {
  const known = new Uint8Array(index.nodes); // of folders: 1: no, 2: yes
  const within = (folder: number) => {
    let p = folder;
    while (p > 0 && known[p] === 0 && !own(p)) p = index.parent[p];
    const is = p > 0 && known[p] !== 1 ? 2 : 1;
    if (p > 0) known[p] = is;
    for (let q = folder; q !== p; q = index.parent[q]) known[q] = is;
    return is === 2;
  };
  return (node) => own(node) || within(index.parent[node]);
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

/** Whether a node has something to unfold in this view. */
export function hasChildren(index: ImageIndex, v: View, node: number): boolean {
  for (let i = node + 1; i < index.end[node]; i = index.end[i]) if (v.version[i] >= 0) return true;
  return false;
}
