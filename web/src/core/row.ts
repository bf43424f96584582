import { day, modeText, size } from './format.ts';
import { extra, Flag, type ImageIndex, Kind, nodeName } from './index.ts';
import { nameOf } from './names.ts';
import { hasChildren, Status, touchedBelow, type View } from './tree.ts';

export type Mark = 'added' | 'changed' | 'deleted';
export type Shape = 'folder' | 'symlink' | 'device' | 'fifo' | 'file';

/** What a row of the tree says, in words that are the same in every language. */
export interface RowText {
  name: string;
  /** Where a symbolic link leads, as the archive has it; "" for others. */
  target: string;
  mark: Mark | '';
  shape: Shape;
  folder: boolean;
  /** Without entry of its own in this layer. */
  parent: boolean;
  opaque: boolean;
  whiteout: boolean;
  /** Something beneath it was added, changed or deleted. */
  below: boolean;
  size: string;
  mode: string;
  owner: string;
  layer: number;
  time: string;
}

const marks: (Mark | '')[] = [];
marks[Status.added] = 'added';
marks[Status.changed] = 'changed';
marks[Status.deleted] = 'deleted';

const shapes: Shape[] = [];
shapes[Kind.dir] = 'folder';
shapes[Kind.symlink] = 'symlink';
shapes[Kind.char] = 'device';
shapes[Kind.block] = 'device';
shapes[Kind.fifo] = 'fifo';

export function rowText(index: ImageIndex, view: View, node: number): RowText {
  const v = index.versions;
  const k = view.version[node];
  const kind = v.kind[k];
  const whiteout = kind === Kind.whiteout;
  const bytes = kind === Kind.file ? v.size[k] : view.size[node];
  return {
    name: nodeName(index, node),
    target: kind === Kind.symlink ? nameOf(extra(index, k).target ?? new Uint8Array()) : '',
    mark: marks[view.status[node]] ?? '',
    shape: shapes[kind] ?? 'file',
    folder: hasChildren(index, view, node),
    parent: view.status[node] === Status.parent,
    opaque: (v.flags[k] & Flag.opaque) !== 0 && v.layer[k] === view.layer,
    whiteout: view.mode === 'only' && whiteout,
    below: view.mode === 'merged' && touchedBelow(view, node),
    size: !whiteout && (kind === Kind.file || bytes > 0) ? size(bytes) : '',
    mode: whiteout ? '' : modeText(kind, v.mode[k]),
    owner: whiteout ? '' : `${v.uid[k]}:${v.gid[k]}`,
    layer: v.layer[k],
    time: whiteout ? '' : day(v.mtime[k]),
  };
}
