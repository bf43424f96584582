import type { Diff } from './diff.ts';
import { nodePath } from './index.ts';
import { Status } from './kinds.ts';

/** A rectangle of the two-image map: a folder, or a file in it. */
export interface DiffBranch {
  name: string;
  path: string;
  kind: number;
  bytes: number;
  children: DiffBranch[];
}

/**
 * The bytes that only one side has, by folder: for `before` what was deleted or
 * replaced, for `after` what was added or written anew. The `most` largest
 * paths have rectangles of their own, the rest of a folder is put together.
 */
export function diffTree(d: Diff, side: 'before' | 'after', most: number): DiffBranch {
  const root: DiffBranch = { name: '', path: '', kind: Status.same, bytes: 0, children: [] };
  const folders = new Map<string, DiffBranch>();
  const nodes = side === 'before' ? d.nodeBefore : d.nodeAfter;
  const index = side === 'before' ? d.before.index : d.after.index;
  const weights = sideBytes(d, side);
  const order = Array.from(weights.keys())
    .filter((i) => weights[i] > 0 && nodes[i] >= 0)
    .sort((x, y) => weights[y] - weights[x] || x - y);
  for (const [rank, i] of order.entries()) {
    const path = nodePath(index, nodes[i]);
    const cut = path.lastIndexOf('/');
    const name = cut < 0 ? '' : path.slice(0, cut);
    let folder = folders.get(name);
    if (!folder) {
      folder = { name: `/${name}`, path: name, kind: Status.same, bytes: 0, children: [] };
      folders.set(name, folder);
      root.children.push(folder);
    }
    folder.bytes += weights[i];
    root.bytes += weights[i];
    if (rank < most)
      folder.children.push({
        name: path.slice(cut + 1),
        path,
        kind: d.kind[i],
        bytes: weights[i],
        children: [],
      });
  }
  for (const f of root.children) {
    const rest = f.bytes - f.children.reduce((n, c) => n + c.bytes, 0);
    if (rest > 0) f.children.push({ name: '…', path: '', kind: Status.same, bytes: rest, children: [] });
  }
  return root;
}

/** What each difference weighs on one side: the size of the file that stands there. */
function sideBytes(d: Diff, side: 'before' | 'after'): Float64Array {
  const out = new Float64Array(d.kind.length);
  for (let i = 0; i < out.length; i++) {
    const sign = side === 'after' ? 1 : -1;
    out[i] = Math.max(0, sign * d.stored[i], sign * d.seen[i]);
  }
  return out;
}
