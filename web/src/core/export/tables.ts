import { type Diff, diffLine, diffOf, type Moment } from '../diff.ts';
import { utc } from '../format.ts';
import { decodeIndex, extra, type ImageIndex, Kind, nodePath } from '../index.ts';
import { Cause, Status } from '../kinds.ts';
import { nameOf } from '../names.ts';
import { versionsOf } from '../provenance.ts';
import { filter, type Mode, view } from '../tree.ts';
import { wasteOf } from '../waste.ts';
import { wasteLines } from '../wastelist.ts';
import type { ReportImage } from '../wire.ts';
import type { Cell } from './csv.ts';

/** One side of a comparison, its index as the bytes that it was decoded from. */
interface Side {
  image: ReportImage;
  bytes: Uint8Array;
  layer: number;
}

/**
 * A list of the page, as it is asked for from another thread. An index goes
 * there as its bytes and is decoded anew: they are a fifth of its columns, and
 * what is sent is copied while the page stands still.
 */
export type Table =
  | { of: 'tree'; bytes: Uint8Array; mode: Mode; layer: number; query: string }
  | { of: 'waste'; bytes: Uint8Array }
  | { of: 'diff'; before: Side; after: Side; kinds: readonly number[] }
  | { of: 'provenance'; bytes: Uint8Array; node: number };

/** Asks for a comparison's list. */
export function diffTable({ before, after }: Diff, kinds: readonly number[]): Table {
  const side = ({ image, index, layer }: Moment): Side => ({ image, bytes: index.bytes, layer });
  return { of: 'diff', before: side(before), after: side(after), kinds };
}

// The words of the command line's --json, in no reader's language: tables are for programs.
const kinds = invert(Kind, { symlink: 'symlink', char: 'char', block: 'block' });
const states = invert(Status, { same: '', parent: '' });
const causes = invert(Cause, { none: '' });

function invert(of: Record<string, number>, other: Record<string, string>): Record<number, string> {
  return Object.fromEntries(Object.entries(of).map(([word, n]) => [n, other[word] ?? word]));
}

const octal = (mode: number) => mode.toString(8).padStart(4, '0');

/** The lines of a table, its head first. */
export function lines(table: Table): Generator<Cell[]> {
  switch (table.of) {
    case 'tree':
      return tree(table);
    case 'waste':
      return waste(decodeIndex(table.bytes));
    case 'diff':
      return diff(compared(table.before, table.after), table.kinds);
    case 'provenance':
      return provenance(decodeIndex(table.bytes), table.node);
  }
}

/** Every path of a view that its filter keeps, in the tree's order, whatever is folded. */
function* tree({ bytes, mode, layer, query }: Extract<Table, { of: 'tree' }>): Generator<Cell[]> {
  const index = decodeIndex(bytes);
  const shown = view(index, mode, layer);
  const keep = filter(index, shown, query);
  const v = index.versions;
  yield ['path', 'type', 'mode', 'uid', 'gid', 'size', 'mtime', 'target', 'layer', 'status'];
  for (let i = 1; i < index.nodes; i++) {
    const k = shown.version[i];
    if (k < 0 || (keep !== null && (keep[i] & 1) === 0)) continue;
    const target = v.kind[k] === Kind.symlink ? extra(index, k).target : undefined;
    yield [
      `/${nodePath(index, i)}`,
      kinds[v.kind[k]],
      octal(v.mode[k]),
      v.uid[k],
      v.gid[k],
      v.kind[k] === Kind.file ? v.size[k] : null,
      utc(v.mtime[k]),
      target ? nameOf(target) : null,
      v.layer[k],
      states[shown.status[i]],
    ];
  }
}

function* waste(index: ImageIndex): Generator<Cell[]> {
  const found = wasteOf(index);
  yield ['path', 'bytes', 'layer', 'hidden by layer', 'cause', 'hidden by path', 'at byte'];
  for (const l of wasteLines(index, found, found.version.length)) {
    const at = l.hider.offset >= 0 ? l.hider.offset : null;
    yield [`/${l.path}`, l.bytes, l.layer, l.hider.layer, causes[l.hider.cause], `/${l.hiderPath}`, at];
  }
}

/** Two moments of one image have one index. */
function compared(before: Side, after: Side): Diff {
  const index = decodeIndex(before.bytes);
  return diffOf(
    { ...before, index },
    { ...after, index: after.bytes === before.bytes ? index : decodeIndex(after.bytes) },
  );
}

function* diff(d: Diff, wanted: readonly number[]): Generator<Cell[]> {
  yield ['change', 'path', 'what', 'bytes in layers', 'bytes to a container', 'layer before', 'layer after'];
  const layer = (index: ImageIndex, k: number) => (k < 0 ? null : index.versions.layer[k]);
  for (const i of d.kind.keys()) {
    if (!wanted.includes(d.kind[i])) continue;
    const l = diffLine(d, i);
    const [before, after] = [layer(d.before.index, l.before), layer(d.after.index, l.after)];
    yield [states[l.kind], `/${l.path}`, l.what.join(' '), l.stored, l.seen, before, after];
  }
}

/** Every version of one path, the newest first. */
function* provenance(index: ImageIndex, node: number): Generator<Cell[]> {
  yield [
    'path',
    'layer',
    'type',
    'mode',
    'uid',
    'gid',
    'size',
    'mtime',
    'target',
    'at byte',
    'ended by layer',
    'cause',
  ];
  const path = `/${nodePath(index, node)}`;
  for (const v of versionsOf(index, node)) {
    yield [
      path,
      v.layer,
      kinds[v.kind],
      octal(v.mode),
      v.uid,
      v.gid,
      v.kind === Kind.file ? v.size : null,
      utc(v.mtime),
      v.target,
      v.offset >= 0 ? v.offset : null,
      v.endedBy >= 0 ? v.endedBy : null,
      causes[v.cause],
    ];
  }
}
