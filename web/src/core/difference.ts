import { apart, bytesOf, type Diff, holds, type Moment } from './diff.ts';
import { nodePath } from './index.ts';
import { Flag, Kind, Status } from './kinds.ts';
import { pairs } from './pairs.ts';

/** A row of a summary: paths, bytes that containers see more and less, bytes that layers carry more and less. */
export interface Tally {
  added: number;
  changed: number;
  deleted: number;
  gained: number;
  lost: number;
  stored: number;
  dropped: number;
}

/** side 1 is the image before, 2 the one after. */
export interface LayerRow extends Tally {
  side: 1 | 2;
  layer: number;
  command: string;
}

export interface NamedRow extends Tally {
  name: string;
}

export interface Summary {
  total: Tally;
  layers: LayerRow[];
  commands: NamedRow[];
  folders: NamedRow[];
}

const nothing = (): Tally => ({
  added: 0,
  changed: 0,
  deleted: 0,
  gained: 0,
  lost: 0,
  stored: 0,
  dropped: 0,
});

/** Bytes that a layer carries under a path. */
interface Piece {
  layer: number;
  command: string;
  bytes: number;
}

/**
 * Where the bytes went: by layer, by command, and by folder of at most two
 * levels, those with most bytes first. The rules are those of
 * `layerlab diff --summary` (imagecore/diff).
 */
export function summarize(d: Diff): Summary {
  const total = nothing();
  const layers = new Map<string, LayerRow>();
  const commands = new Map<string, NamedRow>();
  const folders = new Map<string, NamedRow>();
  const rowsOf = (side: 1 | 2, layer: number, folder: string): Tally[] => {
    const m = side === 1 ? d.before : d.after;
    const command = m.image.layers[layer]?.createdBy ?? '';
    const rows: Tally[] = [total];
    if (layer >= 0)
      rows.push(entry(layers, `${side}/${layer}`, () => ({ ...nothing(), side, layer, command })));
    rows.push(entry(commands, command, () => ({ ...nothing(), name: command })));
    rows.push(entry(folders, folder, () => ({ ...nothing(), name: folder })));
    return rows;
  };
  for (let i = 0; i < d.kind.length; i++) {
    const [side, layer] = cause(d, i);
    const path =
      d.nodeAfter[i] < 0
        ? nodePath(d.before.index, d.nodeBefore[i])
        : nodePath(d.after.index, d.nodeAfter[i]);
    for (const row of rowsOf(side, layer, folderOf(path))) {
      if (d.kind[i] === Status.added) row.added++;
      else if (d.kind[i] === Status.deleted) row.deleted++;
      else row.changed++;
      row.gained += Math.max(0, d.seen[i]);
      row.lost += Math.max(0, -d.seen[i]);
    }
  }
  growth(d, (side, layer, path, bytes) => {
    for (const row of rowsOf(side, layer, folderOf(path))) {
      row.stored += Math.max(0, bytes);
      row.dropped += Math.max(0, -bytes);
    }
  });
  const heavy = (x: Tally, y: Tally) =>
    y.stored + y.dropped - x.stored - x.dropped || y.gained + y.lost - x.gained - x.lost;
  return {
    total,
    layers: [...layers.values()].sort((x, y) => heavy(x, y) || x.side - y.side || x.layer - y.layer),
    commands: [...commands.values()].sort(heavy),
    folders: [...folders.values()].sort(heavy),
  };
}

function entry<T>(map: Map<string, T>, key: string, make: () => T): T {
  let row = map.get(key);
  if (!row) {
    row = make();
    map.set(key, row);
  }
  return row;
}

function folderOf(path: string): string {
  const parts = path.split('/');
  return parts.length < 3 ? parts[0] : `${parts[0]}/${parts[1]}`;
}

/** Which layer of which side made a difference: that which wrote what is there, or hid what was. */
function cause(d: Diff, at: number): [1 | 2, number] {
  const [i, j] = [d.nodeBefore[at], d.nodeAfter[at]];
  const { after, before } = d;
  if (j >= 0) return [2, after.index.versions.layer[holds(after.index, j, after.layer)]];
  if (before.index === after.index) {
    const { versions: v } = before.index;
    const k = holds(before.index, i, before.layer);
    if (v.until[k] > 0 && v.until[k] <= after.layer + 1) return [2, v.until[k] - 1];
  }
  return [1, before.index.versions.layer[holds(before.index, i, before.layer)]];
}

/** What the layers of one moment carry and those of the other do not, paired by path, those of one command first. */
function growth(d: Diff, carry: (side: 1 | 2, layer: number, path: string, bytes: number) => void): void {
  const [own, added] = [apart(d.before, d.after), apart(d.after, d.before)];
  if (!own.includes(true) && !added.includes(true)) return;
  const [seenA, seenB] = [new Uint8Array(d.before.index.inodes), new Uint8Array(d.after.index.inodes)];
  pairs(d.before.index, d.after.index, (i, j) => {
    const left = i < 0 ? [] : pieces(d.before, own, i, seenA);
    const now = j < 0 ? [] : pieces(d.after, added, j, seenB);
    if (left.length + now.length === 0) return;
    const path = j < 0 ? nodePath(d.before.index, i) : nodePath(d.after.index, j);
    const alone: Piece[] = [];
    for (const p of now) {
      const at = left.findIndex((q) => q.command === p.command);
      if (at < 0) alone.push(p);
      else carry(2, p.layer, path, p.bytes - left.splice(at, 1)[0].bytes);
    }
    for (const p of alone) carry(2, p.layer, path, p.bytes - (left.shift()?.bytes ?? 0));
    for (const q of left) carry(1, q.layer, path, -q.bytes);
  });
}

function pieces(m: Moment, layers: readonly boolean[], node: number, seen: Uint8Array): Piece[] {
  const { first, versions: v } = m.index;
  const out: Piece[] = [];
  for (let k = first[node]; k < first[node + 1]; k++) {
    if (v.kind[k] !== Kind.file || v.flags[k] & Flag.copied || !layers[v.layer[k]]) continue;
    const bytes = bytesOf(m.index, k, seen);
    if (bytes > 0)
      out.push({ layer: v.layer[k], command: m.image.layers[v.layer[k]]?.createdBy ?? '', bytes });
  }
  return out;
}
