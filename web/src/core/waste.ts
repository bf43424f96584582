import type { ImageIndex } from './index.ts';
import { Cause, Flag, Kind } from './kinds.ts';

/** How much of a layer nobody will see. */
export interface LayerWaste {
  /** Contents that the index knows of in this layer. */
  bytes: number;
  /** Of these, bytes that no container of the image sees. */
  wasted: number;
  files: number;
  /** Bytes of this layer and those below that this layer made invisible. */
  caused: number;
}

/**
 * Content that a layer holds and no container sees, largest first: finding i is
 * the version `version[i]` of the node `node[i]`, its last name to be seen.
 * A content is wasted when every version that shows it has ended; hard links
 * and copies of one content count once, in the layer that holds the bytes.
 */
export interface Waste {
  node: Int32Array;
  version: Int32Array;
  layers: LayerWaste[];
  bytes: number;
  wasted: number;
}

// An offset is below 2^43 (8 TiB), a layer's number below 2^10, so both fit
// into the 53 bits of a number.
const key = (layer: number, data: number) => layer * 2 ** 43 + data;

interface Shared {
  home: number;
  size: number;
  alive: boolean;
  node: number;
  version: number;
}

export function wasteOf(index: ImageIndex): Waste {
  const { nodes, first, versions: v } = index;
  const layers = Array.from({ length: index.layers }, () => ({ bytes: 0, wasted: 0, files: 0, caused: 0 }));
  const nodeOf: number[] = [];
  const versionOf: number[] = [];
  const shared = sharedContents(index);
  const find = (node: number, k: number) => {
    const own = layers[v.home[k]];
    if (!own) return;
    own.wasted += v.size[k];
    own.files++;
    const by = layers[v.until[k] - 1];
    if (by) by.caused += v.size[k];
    nodeOf.push(node);
    versionOf.push(k);
  };
  for (let i = 0; i < nodes; i++) {
    for (let k = first[i]; k < first[i + 1]; k++) {
      if (v.kind[k] !== Kind.file || v.size[k] === 0) continue;
      if (shared.size > 0) {
        const s = shared.get(key(v.home[k], v.data[k]));
        if (s) {
          if (v.until[k] === 0) s.alive = true;
          else if (s.version < 0 || v.until[k] > v.until[s.version]) {
            s.node = i;
            s.version = k;
          }
          continue;
        }
      }
      const own = layers[v.home[k]];
      if (own) own.bytes += v.size[k];
      if (v.until[k] > 0) find(i, k);
    }
  }
  for (const s of shared.values()) {
    const own = layers[s.home];
    if (own) own.bytes += s.size;
    if (!s.alive && s.version >= 0) find(s.node, s.version);
  }
  const order = Uint32Array.from(nodeOf.keys()).sort((a, b) => {
    const x = versionOf[a];
    const y = versionOf[b];
    return v.size[y] - v.size[x] || v.home[x] - v.home[y] || nodeOf[a] - nodeOf[b];
  });
  return {
    node: Int32Array.from(order, (at) => nodeOf[at]),
    version: Int32Array.from(order, (at) => versionOf[at]),
    layers,
    bytes: layers.reduce((n, l) => n + l.bytes, 0),
    wasted: layers.reduce((n, l) => n + l.wasted, 0),
  };
}

/** The contents that more than one version may show. */
function sharedContents(index: ImageIndex): Map<number, Shared> {
  const { versions: v } = index;
  const shared = new Map<number, Shared>();
  for (let k = 0; k < v.count; k++) {
    if (v.kind[k] === Kind.file && v.flags[k] & (Flag.linked | Flag.copied) && v.size[k] > 0)
      shared.set(key(v.home[k], v.data[k]), {
        home: v.home[k],
        size: v.size[k],
        alive: false,
        node: -1,
        version: -1,
      });
  }
  return shared;
}

/** What hid a version: the layer, and the path and byte of the entry that did it. */
export interface Hider {
  layer: number;
  cause: number;
  node: number;
  /** Byte of the entry in that layer's tar, -1 where the index names none. */
  offset: number;
}

export function hiderOf(
  index: ImageIndex,
  node: number,
  version: number,
  opaqueAt: (k: number) => number,
): Hider {
  const { versions: v, first, parent } = index;
  const layer = v.until[version] - 1;
  const cause = v.cause[version];
  const none = { layer, cause, node, offset: -1 };
  const next = version + 1;
  if (cause === Cause.replaced || cause === Cause.whiteout) {
    const here = next < first[node + 1] && v.layer[next] === layer;
    return here ? { ...none, offset: v.offset[next] } : none;
  }
  for (let p = parent[node]; p >= 0; p = parent[p]) {
    for (let k = first[p]; k < first[p + 1]; k++) {
      if (v.layer[k] !== layer) continue;
      if (cause === Cause.opaque && v.flags[k] & Flag.opaque)
        return { layer, cause, node: p, offset: opaqueAt(k) };
      if (cause === Cause.hidden && v.kind[k] === Kind.whiteout)
        return { layer, cause, node: p, offset: v.offset[k] };
      if (cause === Cause.retyped && v.kind[k] !== Kind.dir)
        return { layer, cause, node: p, offset: v.offset[k] };
    }
    // The whiteout's path was written anew by the same layer: its version took the whiteout's place.
    for (let k = first[p]; k < first[p + 1]; k++) {
      if (cause === Cause.hidden && v.until[k] - 1 === layer && v.cause[k] === Cause.whiteout)
        return { layer, cause, node: p, offset: -1 };
    }
  }
  return none;
}
