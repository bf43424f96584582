import type { ImageIndex } from './index.ts';
import { Status } from './kinds.ts';
import { counts, type View } from './tree.ts';

/** How the rows of a folder are ordered. */
export type Order = 'name' | 'size';

/**
 * The nodes to draw, in order: those in the view whose folders are all open.
 * They are written to `into` where given, as long as the image has nodes: what
 * was returned before with it must not be read any more.
 */
export function rows(
  index: ImageIndex,
  v: View,
  isOpen: (node: number) => boolean,
  keep: Uint8Array | null,
  order: Order = 'name',
  into?: Int32Array,
): Int32Array {
  const out = into ?? new Int32Array(index.nodes);
  let n = 0;
  const hidden = (i: number) => v.version[i] < 0 || (keep !== null && keep[i] === 0);
  if (order === 'name') {
    const { stretch } = index;
    for (let i = 1; i < index.nodes; ) {
      const past = keep === null ? stretch[i] : 0;
      if (hidden(i)) i = past > 0 ? past : index.end[i];
      else if (past > 0) while (i < past) out[n++] = i++;
      else {
        out[n++] = i;
        // A folder is asked about, not each of half a million files.
        i = index.end[i] === i + 1 || isOpen(i) ? i + 1 : index.end[i];
      }
    }
  } else {
    // The largest first: what is yet to be drawn lies on a stack, the next on top.
    const stack = bySize(index, v, 0, hidden);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      out[n++] = i;
      if (index.end[i] > i + 1 && isOpen(i)) stack.push(...bySize(index, v, i, hidden));
    }
  }
  return into ? out.subarray(0, n) : out.slice(0, n);
}

/** The children to draw of a folder, the smallest first. */
function bySize(index: ImageIndex, v: View, folder: number, hidden: (node: number) => boolean): number[] {
  const out: number[] = [];
  for (let i = folder + 1; i < index.end[folder]; i = index.end[i]) if (!hidden(i)) out.push(i);
  return out.sort((a, b) => v.size[a] - v.size[b] || b - a);
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

/**
 * The place in a list of rows of the first that the view's layer added, changed
 * or deleted, from the place `from` to before `to`; -1 for none. In a list by
 * name a folder in which nothing was touched is passed over with all in it.
 */
export function firstTouched(
  index: ImageIndex,
  v: View,
  list: Int32Array,
  order: Order = 'name',
  from = 0,
  to = list.length,
): number {
  const { end } = index;
  const { status, touched } = v;
  const past = Math.min(to, list.length);
  for (let at = from; at < past; ) {
    const node = list[at];
    if (counts(status[node]) > 0) return at;
    const whole = order === 'name' && touched[node] === 0 && end[node] > node + 1;
    at = whole ? lowerBound(list, end[node], at + 1) : at + 1;
  }
  return -1;
}

/** The place of a node in a list of rows, -1 where it is not in it. */
export function placeOf(list: Int32Array, node: number, order: Order): number {
  if (node < 0) return -1;
  if (order !== 'name') return list.indexOf(node);
  const at = lowerBound(list, node, 0);
  return list[at] === node ? at : -1;
}

/** The first place from `from` on of a list by name with that node or a later one; the list's length for none. */
function lowerBound(list: Int32Array, node: number, from: number): number {
  let low = from;
  let high = list.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (list[mid] < node) low = mid + 1;
    else high = mid;
  }
  return low;
}
