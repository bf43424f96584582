import { type Command, parseCommand } from './command.ts';
import { extra, type ImageIndex } from './index.ts';
import { Cause, Flag, Kind, Status } from './kinds.ts';
import type { ReportHistory, ReportImage, ReportLayer } from './wire.ts';

/** What one layer did, in numbers of paths and bytes. */
export interface LayerFacts {
  added: number;
  changed: number;
  deleted: number;
  whiteouts: number;
  opaques: number;
  /** Content that a later layer hides or replaces. */
  hiddenBytes: number;
  hidden: number;
  /** What its files take when unpacked: each once, with its holes, and the targets of symbolic links. */
  contentBytes: number;
}

export function layerFacts(index: ImageIndex): LayerFacts[] {
  const facts = Array.from({ length: index.layers }, () => ({
    added: 0,
    changed: 0,
    deleted: 0,
    whiteouts: 0,
    opaques: 0,
    hiddenBytes: 0,
    hidden: 0,
    contentBytes: 0,
  }));
  const { versions: v, did } = index;
  const counted = new Uint8Array(index.inodes);
  for (let k = 0; k < v.count; k++) {
    const own = facts[v.layer[k]];
    if (!own) continue;
    if (v.flags[k] & Flag.opaque) own.opaques++;
    if (v.kind[k] === Kind.whiteout) {
      own.whiteouts++;
      continue;
    }
    if (!(v.flags[k] & Flag.implicit)) {
      if (did[k] === Status.added) own.added++;
      else if (did[k] === Status.changed) own.changed++;
    }
    const inode = v.inode[k];
    if (inode < 0 || counted[inode] === 0) {
      if (v.kind[k] === Kind.file) own.contentBytes += v.size[k];
      else if (v.kind[k] === Kind.symlink) own.contentBytes += extra(index, k).target?.length ?? 0;
    }
    if (inode >= 0) counted[inode] = 1;
    const until = v.until[k];
    if (until === 0) continue;
    if (v.cause[k] !== Cause.replaced) {
      const ender = facts[until - 1];
      if (ender) ender.deleted++;
    }
    if (v.kind[k] === Kind.file) {
      own.hidden++;
      own.hiddenBytes += v.size[k];
    }
  }
  return facts;
}

/** A slab of the stack, or an entry of the history that made no layer. */
export type Slab =
  | { kind: 'layer'; layer: ReportLayer; command: Command; history: ReportHistory | null }
  | { kind: 'empty'; command: Command; history: ReportHistory; at: number };

/** The stack from base to top, with the empty entries of the history in place. */
export function slabs(image: ReportImage): Slab[] {
  const out: Slab[] = [];
  const done = new Set<number>();
  for (const [at, history] of (image.history ?? []).entries()) {
    const command = parseCommand(history.created_by ?? '');
    const layer = history.layer === undefined ? undefined : image.layers[history.layer];
    if (layer) {
      done.add(layer.index);
      out.push({ kind: 'layer', layer, command, history });
    } else out.push({ kind: 'empty', command, history, at });
  }
  // Layers that the history does not tell about stand on top of it, in order.
  for (const layer of image.layers) {
    if (!done.has(layer.index)) {
      out.push({ kind: 'layer', layer, command: parseCommand(layer.createdBy), history: null });
    }
  }
  return out;
}

/** Thickness of a slab, 0 to 1, by its bytes or their logarithm among its siblings. */
export function thickness(bytes: number, largest: number, scale: 'log' | 'bytes' = 'log'): number {
  if (bytes <= 0 || largest <= 0) return 0;
  if (scale === 'bytes') return Math.min(1, bytes / largest);
  return Math.min(1, Math.log2(1 + bytes / 1024) / Math.log2(2 + largest / 1024));
}
