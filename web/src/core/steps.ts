import type { ImageIndex } from './index.ts';
import { Kind, Status } from './kinds.ts';
import { counts, liveAt, type Mode, shownAt, type View, view } from './tree.ts';

/**
 * Views of one image, each made from the one before: a step of the slider
 * touches the paths that the layers in between and both ends wrote or ended,
 * and the folders above them. The arrays of a view are those of the next one of
 * the same mode; only the newest may be read.
 */
export class Stepper {
  readonly #index: ImageIndex;
  /** Nodes that a layer wrote or ended: those of layer l at #from[l] … #from[l+1]-1. */
  readonly #from: Uint32Array;
  readonly #nodes: Int32Array;
  /** Nodes with others beneath them, in order; and what their children gained since, by node. */
  readonly #folders: Int32Array;
  readonly #bytes: Float64Array;
  readonly #touches: Int32Array;
  #merged: View | null = null;
  #only: View | null = null;
  /** By inode: the node at which its bytes are counted in the merged view, -1 for none. */
  #holder: Int32Array | null = null;
  #names: Map<number, Set<number>> | null = null;

  constructor(index: ImageIndex) {
    this.#index = index;
    const { nodes, first, layers } = index;
    const { layer, until, count } = index.versions;
    const from = new Uint32Array(layers + 2);
    for (let k = 0; k < count; k++) {
      from[layer[k] + 1]++;
      if (until[k] > 0) from[until[k]]++;
    }
    for (let l = 0; l < layers + 1; l++) from[l + 1] += from[l];
    const at = from.slice();
    const list = new Int32Array(from[layers + 1]);
    for (let i = 0; i < nodes; i++) {
      for (let k = first[i]; k < first[i + 1]; k++) {
        list[at[layer[k]]++] = i;
        if (until[k] > 0) list[at[until[k] - 1]++] = i;
      }
    }
    this.#from = from;
    this.#nodes = list;
    const folders: number[] = [];
    for (let i = 0; i < nodes; i++) if (index.end[i] > i + 1) folders.push(i);
    this.#folders = Int32Array.from(folders);
    this.#bytes = new Float64Array(nodes);
    this.#touches = new Int32Array(nodes);
  }

  view(mode: Mode, layer: number): View {
    return mode === 'merged' ? this.#after(layer) : this.#alone(layer);
  }

  #after(layer: number): View {
    const before = this.#merged;
    const [low, high] = before ? [Math.min(before.layer, layer), Math.max(before.layer, layer)] : [0, 0];
    const work = this.#from[high + 1] - this.#from[low];
    let next: View;
    // Beyond so many one pass over all of them is quicker than climbing.
    if (!before || work > this.#index.nodes) {
      next = view(this.#index, 'merged', layer, before ?? undefined);
      this.#holder = null;
    } else {
      next = { ...before, layer };
      this.#update(next, this.#nodes.subarray(this.#from[low], this.#from[high + 1]));
    }
    this.#merged = next;
    return next;
  }

  #update(v: View, nodes: Int32Array): void {
    const { parent, first, did, stretch } = this.#index;
    const { kind, inode, until, layer: from, size: bytes } = this.#index.versions;
    const { version, status, touched, size } = v;
    const { layer } = v;
    const loose = new Set<number>();
    if (this.#index.inodes > 0) this.#hold(v);
    const gained = this.#bytes;
    const changed = this.#touches;
    for (let n = 0; n < nodes.length; n++) {
      const node = nodes[n];
      const k = version[node];
      const state = status[node];
      let to = first[node];
      let next: number = Status.same;
      if (first[node + 1] === to + 1 && kind[to] !== Kind.whiteout) {
        // Nearly all have one version: what shownAt says of those, without a call.
        const end = until[to];
        if (from[to] > layer || (end !== 0 && end <= layer)) to = -1;
        else if (end === layer + 1) next = Status.deleted;
        else if (from[to] === layer) next = did[to];
      } else {
        const shown = shownAt(this.#index, true, layer, node);
        to = shown < 0 ? -1 : shown >> 3;
        if (shown >= 0) next = shown & 7;
      }
      if (to < 0) next = 0;
      const past = stretch[node];
      if (past > 0) n += past - node - 1;
      if (k === to && state === next) continue;
      if (past > 0) {
        this.#fill(v, node, past, to, next);
        continue;
      }
      version[node] = to;
      status[node] = next;
      let more = 0;
      if (k >= 0 && kind[k] === Kind.file) {
        if (inode[k] >= 0) loose.add(inode[k]);
        else if (state !== Status.deleted) more -= bytes[k];
      }
      if (to >= 0 && kind[to] === Kind.file) {
        if (inode[to] >= 0) loose.add(inode[to]);
        else if (next !== Status.deleted) more += bytes[to];
      }
      const touch = (to < 0 ? 0 : counts(next)) - (k < 0 ? 0 : counts(state));
      if (more === 0 && touch === 0) continue;
      size[node] += more;
      touched[node] += touch;
      if (node === 0) continue;
      gained[parent[node]] += more;
      changed[parent[node]] += touch;
    }
    this.#sweep(v);
    for (const n of loose) this.#settle(v, n);
  }

  /** Writes a stretch, whose nodes have neighbouring versions; what its folder gains is handed on by the sweep. */
  #fill(v: View, node: number, past: number, to: number, next: number): void {
    const { parent, first } = this.#index;
    const { version, status, touched, size } = v;
    const k = first[node];
    const all = this.#index.versions.size.subarray(k, k + past - node);
    const counted = (at: number, state: number) => at >= 0 && state !== Status.deleted;
    const before = counted(version[node], status[node]);
    const after = counted(to, next);
    const touch = (to < 0 ? 0 : counts(next)) - touched[node];
    const p = parent[node];
    if (before !== after) {
      let sum = 0;
      for (let i = 0; i < all.length; i++) sum += all[i];
      this.#bytes[p] += after ? sum : -sum;
    }
    this.#touches[p] += touch * (past - node);
    if (to < 0) version.fill(-1, node, past);
    else version.set(first.subarray(node, past), node);
    status.fill(next, node, past);
    touched.fill(touched[node] + touch, node, past);
    if (after) size.set(all, node);
    else size.fill(0, node, past);
  }

  /** Hands on to every folder what its children gained, the deepest first. */
  #sweep(v: View): void {
    const { parent } = this.#index;
    for (let at = this.#folders.length - 1; at >= 0; at--) {
      const f = this.#folders[at];
      const more = this.#bytes[f];
      const touch = this.#touches[f];
      if (more === 0 && touch === 0) continue;
      this.#bytes[f] = 0;
      this.#touches[f] = 0;
      v.size[f] += more;
      v.touched[f] += touch;
      if (f === 0) continue;
      this.#bytes[parent[f]] += more;
      this.#touches[parent[f]] += touch;
    }
  }

  #climb(v: View, node: number, bytes: number, touch: number): void {
    if (bytes === 0 && touch === 0) return;
    const { parent } = this.#index;
    for (let p = node; p >= 0; p = parent[p]) {
      v.size[p] += bytes;
      v.touched[p] += touch;
    }
  }

  /** Finds out where the last pass over all nodes counted each inode's bytes: at the last name in view. */
  #hold(v: View): void {
    if (this.#holder) return;
    const { nodes, first, inodes } = this.#index;
    const { inode } = this.#index.versions;
    const holder = new Int32Array(inodes).fill(-1);
    const fresh = this.#names === null;
    this.#names ??= new Map();
    for (let i = 0; i < nodes; i++) {
      const k = v.version[i];
      if (k >= 0 && inode[k] >= 0 && v.status[i] !== Status.deleted) holder[inode[k]] = i;
      for (let x = first[i]; fresh && x < first[i + 1]; x++) {
        if (inode[x] < 0) continue;
        const names = this.#names.get(inode[x]);
        if (names) names.add(i);
        else this.#names.set(inode[x], new Set([i]));
      }
    }
    this.#holder = holder;
  }

  /** Counts an inode's bytes at its last name in view, and nowhere else. */
  #settle(v: View, inode: number): void {
    const holder = this.#holder;
    if (!holder) return;
    const { inode: inodes, size: bytes } = this.#index.versions;
    let best = -1;
    let n = 0;
    for (const node of this.#names?.get(inode) ?? []) {
      const k = v.version[node];
      const { first } = this.#index;
      for (let x = first[node]; x < first[node + 1]; x++) if (inodes[x] === inode) n = bytes[x];
      if (k >= 0 && inodes[k] === inode && v.status[node] !== Status.deleted && node > best) best = node;
    }
    if (best === holder[inode]) return;
    if (holder[inode] >= 0) this.#climb(v, holder[inode], -n, 0);
    if (best >= 0) this.#climb(v, best, n, 0);
    holder[inode] = best;
  }

  #alone(layer: number): View {
    const before = this.#only;
    if (!before) {
      this.#only = view(this.#index, 'only', layer);
      return this.#only;
    }
    const { parent } = this.#index;
    const v = { ...before, layer };
    const list = (l: number) => this.#nodes.subarray(this.#from[l], this.#from[l + 1]);
    for (const node of list(before.layer)) {
      for (let p = node; p >= 0 && v.version[p] >= 0; p = parent[p]) {
        v.version[p] = -1;
        v.status[p] = 0;
        v.touched[p] = 0;
        v.size[p] = 0;
      }
    }
    this.#lay(v, list(layer));
    this.#only = v;
    return v;
  }

  #lay(v: View, nodes: Int32Array): void {
    const { parent, inodes } = this.#index;
    const { kind, inode, size: bytes } = this.#index.versions;
    const seen = new Uint8Array(inodes);
    // Last node first, since an inode counts at its last name.
    for (let at = nodes.length - 1; at >= 0; at--) {
      const node = nodes[at];
      const shown = shownAt(this.#index, false, v.layer, node);
      if (shown < 0 || (v.version[node] >= 0 && v.status[node] !== Status.parent)) continue;
      const k = shown >> 3;
      v.version[node] = k;
      v.status[node] = shown & 7;
      let n = 0;
      if (kind[k] === Kind.file && (inode[k] < 0 || seen[inode[k]] === 0)) {
        n = bytes[k];
        if (inode[k] >= 0) seen[inode[k]] = 1;
      }
      this.#climb(v, node, n, counts(shown & 7));
      for (let p = parent[node]; p >= 0 && v.version[p] < 0; p = parent[p]) {
        v.version[p] = liveAt(this.#index, p, v.layer);
        v.status[p] = Status.parent;
      }
    }
  }
}
