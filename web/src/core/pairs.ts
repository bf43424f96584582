import type { ImageIndex } from './index.ts';

/** Orders the names of two nodes bytewise, as the nodes of an index are sorted. */
function order(a: ImageIndex, i: number, b: ImageIndex, j: number): number {
  const [n, m] = [a.nameLen[i], b.nameLen[j]];
  const [p, q] = [a.nameAt[i], b.nameAt[j]];
  for (let k = 0; k < n && k < m; k++) {
    const d = a.bytes[p + k] - b.bytes[q + k];
    if (d !== 0) return d;
  }
  return n - m;
}

/**
 * Visits every path that either index knows, in the order of path components:
 * its node in each, -1 where an index has none. Of one index with itself every
 * node is its own partner.
 */
export function pairs(a: ImageIndex, b: ImageIndex, visit: (i: number, j: number) => void): void {
  if (a === b) {
    for (let i = 0; i < a.nodes; i++) visit(i, i);
    return;
  }
  visit(0, 0);
  children(a, 0, b, 0, visit);
}

function children(
  a: ImageIndex,
  i: number,
  b: ImageIndex,
  j: number,
  visit: (i: number, j: number) => void,
): void {
  let x = i + 1;
  let y = j + 1;
  while (x < a.end[i] || y < b.end[j]) {
    const d = x >= a.end[i] ? 1 : y >= b.end[j] ? -1 : order(a, x, b, y);
    if (d < 0) {
      for (const end = a.end[x]; x < end; x++) visit(x, -1);
    } else if (d > 0) {
      for (const end = b.end[y]; y < end; y++) visit(-1, y);
    } else {
      visit(x, y);
      children(a, x, b, y, visit);
      x = a.end[x];
      y = b.end[y];
    }
  }
}
