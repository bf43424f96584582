import type { ImageIndex, Versions } from './index.ts';
import { Flag, Kind, Status } from './kinds.ts';

/** Whether a version is just the folder before it, listed again: same mode, owner and attributes. */
export function relisted(v: Versions, version: number, before: number): boolean {
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

/**
 * What the layer of each version did to its path by making that version. It
 * depends on the version before alone, so it is worked out once: a step of the
 * slider then only looks it up.
 */
export function deeds(index: Pick<ImageIndex, 'nodes' | 'first' | 'versions'>): Uint8Array {
  const { nodes, first, versions: v } = index;
  const did = new Uint8Array(v.count);
  for (let i = 0; i < nodes; i++) {
    for (let k = first[i]; k < first[i + 1]; k++) {
      const before = k - 1;
      if (v.kind[k] === Kind.whiteout) did[k] = Status.deleted;
      else if (before < first[i]) did[k] = Status.added;
      else if (v.flags[k] & Flag.implicit) did[k] = Status.same;
      else if (v.kind[before] === Kind.whiteout || v.until[before] !== v.layer[k] + 1) did[k] = Status.added;
      else did[k] = relisted(v, k, before) ? Status.same : Status.changed;
    }
  }
  return did;
}
