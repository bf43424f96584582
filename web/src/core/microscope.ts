import type { Change, Changes, Container, Image, Writer } from './wire.ts';

/** One thing that a container did to its layer, and what it cost there. */
export interface Happening {
  kind: 'copy-up' | 'new' | 'grew' | 'whiteout' | 'opaque' | 'undone';
  path: string;
  /** Bytes that came into the container's layer; negative where it gave some back. */
  bytes: number;
  /** The process that did it, where the kernel named one: the container's layer has a size. */
  by?: Writer;
}

/** The layer of a container that has written nothing yet. */
export const nothing: Changes = { changes: [], bytes: 0, copiedUp: 0, truncated: false };

/** What happened between two looks at a container's layer, by path. The server says the same of one that is recorded (server/recording). */
export function happened(before: Changes, after: Changes): Happening[] {
  const was = new Map(before.changes.map((c) => [c.path, c]));
  const is = new Set(after.changes.map((c) => c.path));
  const out: Happening[] = [];
  for (const c of after.changes) {
    const old = was.get(c.path);
    if (old && same(old, c)) continue;
    out.push(...now(old, c).map((h) => (c.by ? { ...h, by: c.by } : h)));
  }
  // A listing that is cut short says nothing about what it leaves out.
  if (!after.truncated && !before.truncated) {
    for (const c of before.changes) {
      if (!is.has(c.path))
        out.push({ kind: 'undone', path: c.path, bytes: c.kind === 'D' || c.size === 0 ? 0 : -c.size });
    }
  }
  return out;
}

const same = (a: Change, b: Change) =>
  a.kind === b.kind && a.copiedUp === b.copiedUp && a.size === b.size && !a.opaque === !b.opaque;

function now(old: Change | undefined, c: Change): Happening[] {
  const path = c.path;
  if (c.kind === 'D')
    return [{ kind: 'whiteout', path, bytes: old && old.kind !== 'D' && old.size > 0 ? -old.size : 0 }];
  const had = old && old.kind !== 'D' ? old.size : 0;
  if (c.copiedUp > 0 && (old?.copiedUp ?? 0) !== c.copiedUp) {
    const first: Happening = { kind: 'copy-up', path, bytes: c.copiedUp };
    const more = c.size - c.copiedUp;
    return more === 0 ? [first] : [first, { kind: 'grew', path, bytes: more }];
  }
  if (c.opaque && !old?.opaque) return [{ kind: 'opaque', path, bytes: 0 }];
  // overlayfs makes the folders above what changes in the layer, too: they have no bytes.
  if (c.kind === 'C' && c.type === 'dir') return old ? [] : [{ kind: 'copy-up', path, bytes: 0 }];
  if (c.kind === 'A' && (!old || old.kind === 'D')) return [{ kind: 'new', path, bytes: c.size }];
  return [{ kind: 'grew', path, bytes: c.size - had }];
}

export interface Shares {
  /** Running containers that have layers of this one's image mounted. */
  with: Container[];
  layers: number;
  of: number;
  /** Bytes of the layers that are shared, and of all its image's layers. */
  bytes: number;
  all: number;
}

/** What a container shares with the others that run: kept once on disk, and cached once in memory. */
export function shares(c: Container, containers: readonly Container[], images: readonly Image[]): Shares {
  const layersOf = (id: string) => images.find((i) => i.id === id)?.layers ?? [];
  const own = layersOf(c.image);
  const alive = containers.filter((x) => x.id !== c.id && (x.state === 'running' || x.state === 'paused'));
  const theirs = alive.map((x) => ({ x, chains: new Set(layersOf(x.image).map((l) => l.chainID)) }));
  const shared = own.filter((l) => theirs.some((t) => t.chains.has(l.chainID)));
  return {
    with: theirs.filter((t) => own.some((l) => t.chains.has(l.chainID))).map((t) => t.x),
    layers: shared.length,
    of: own.length,
    bytes: shared.reduce((n, l) => n + l.size, 0),
    all: own.reduce((n, l) => n + l.size, 0),
  };
}
