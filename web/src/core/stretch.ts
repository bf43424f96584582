import type { ImageIndex } from './index.ts';
import { Kind } from './kinds.ts';

/** Shorter ones are quicker done node by node. */
const least = 16;

/**
 * Stretches: neighbours in one folder with nothing beneath them and one version
 * each, which the same layer wrote and the same one ended. A view shows all of
 * one or nothing of it, and in one state: what a step of the slider and a list
 * of rows do with each of half a million nodes, they do once with a stretch. At
 * its first node stands the node past its last, 0 at all others.
 */
export function stretches(
  index: Pick<ImageIndex, 'nodes' | 'parent' | 'end' | 'first' | 'versions'>,
): Int32Array {
  const { nodes, parent, end, first } = index;
  const { kind, inode, layer, until } = index.versions;
  const out = new Int32Array(nodes);
  const fits = (i: number) => {
    const k = first[i];
    return (
      first[i + 1] === k + 1 &&
      end[i] === i + 1 &&
      kind[k] !== Kind.whiteout &&
      inode[k] < 0 &&
      until[k] !== layer[k] + 1
    );
  };
  for (let i = 1; i < nodes; ) {
    const from = i;
    if (!fits(i++)) continue;
    const k = first[from];
    while (
      i < nodes &&
      parent[i] === parent[from] &&
      layer[first[i]] === layer[k] &&
      until[first[i]] === until[k] &&
      fits(i)
    )
      i++;
    if (i - from >= least) out[from] = i;
  }
  return out;
}
