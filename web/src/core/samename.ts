import type { ImageIndex } from './index.ts';

/** So many places of the table are looked at for one name: names that were chosen to lie in one place cost no more. */
const most = 24;

/**
 * For each node the first one with the same name, byte for byte: what a search
 * finds out about a name it finds out once, however many folders have an
 * index.js. A name may pass for one of its own where the table is crowded.
 */
export function sameNames(index: Pick<ImageIndex, 'nodes' | 'bytes' | 'nameAt' | 'nameLen'>): Int32Array {
  const { nodes, bytes, nameAt, nameLen } = index;
  const mask = (1 << (32 - Math.clz32(nodes * 2))) - 1;
  const table = new Int32Array(mask + 1).fill(-1);
  const out = new Int32Array(nodes);
  const equal = (a: number, b: number) => {
    if (nameLen[a] !== nameLen[b]) return false;
    const [from, other] = [nameAt[a], nameAt[b]];
    for (let i = nameLen[a] - 1; i >= 0; i--) if (bytes[from + i] !== bytes[other + i]) return false;
    return true;
  };
  for (let i = 0; i < nodes; i++) {
    // FNV-1a, with the high bits mixed into those that are used.
    let hash = 0x811c9dc5;
    for (let at = nameAt[i], end = at + nameLen[i]; at < end; at++)
      hash = Math.imul(hash ^ bytes[at], 0x01000193);
    hash ^= hash >>> 15;
    out[i] = i;
    for (let place = hash & mask, n = 0; n < most; place = (place + 1) & mask, n++) {
      if (table[place] < 0) table[place] = i;
      else if (!equal(table[place], i)) continue;
      out[i] = table[place];
      break;
    }
  }
  return out;
}
