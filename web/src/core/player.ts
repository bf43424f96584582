import { extra, type ImageIndex } from './index.ts';
import { Cause, Flag, Kind } from './kinds.ts';
import { hiderOf } from './waste.ts';

/** A record of a layer's tar, as the merge takes it. */
export interface Step {
  layer: number;
  /** Byte of its header in the layer's tar. */
  offset: number;
  kind: 'entry' | 'whiteout' | 'opaque';
  /** The path that it writes, hides, or empties. */
  node: number;
  version: number;
}

/** A time in which a path shows a version: from a step on, up to and without another one. */
interface Span {
  version: number;
  from: number;
  to: number;
}

/**
 * The merge as a film. Step 1 is the first record of the base; at time 0 there
 * is nothing. `right` follows the rules, `naive` does what many tutorials tell:
 * extract all layers in order and delete at each whiteout what is there.
 * Both list for each node the times at which it is there.
 */
export interface Film {
  steps: Step[];
  right: Span[][];
  naive: Span[][];
}

/** Records of one path in one layer that a later one of the same layer overrules leave no trace in the index, and none here. */
export function filmOf(index: ImageIndex): Film {
  const steps = stepsOf(index);
  const at = new Map<number, number>();
  const firstOf: number[] = [];
  for (const [i, s] of steps.entries()) {
    at.set(key(s.layer, s.offset), i + 1);
    firstOf[s.layer] ??= i + 1;
  }
  return { steps, right: right(index, steps.length, at, firstOf), naive: naive(index, steps) };
}

const never = Number.POSITIVE_INFINITY;
const key = (layer: number, offset: number) => layer * 2 ** 43 + offset;

function stepsOf(index: ImageIndex): Step[] {
  const { nodes, first, versions: v } = index;
  const steps: Step[] = [];
  for (let node = 0; node < nodes; node++) {
    for (let k = first[node]; k < first[node + 1]; k++) {
      const layer = v.layer[k];
      if (!(v.flags[k] & Flag.implicit)) {
        const kind = v.kind[k] === Kind.whiteout ? 'whiteout' : 'entry';
        steps.push({ layer, offset: v.offset[k], kind, node, version: k });
      }
      if (v.flags[k] & Flag.opaque)
        steps.push({ layer, offset: extra(index, k).opaqueAt ?? 0, kind: 'opaque', node, version: k });
    }
  }
  return steps.sort((a, b) => a.layer - b.layer || a.offset - b.offset);
}

function right(index: ImageIndex, count: number, at: Map<number, number>, firstOf: number[]): Span[][] {
  const { nodes, first, versions: v, parent } = index;
  const born = new Float64Array(v.count).fill(never);
  // A folder that no record names comes with the first that needs it.
  for (let node = nodes - 1; node >= 0; node--) {
    for (let k = first[node]; k < first[node + 1]; k++) {
      const own = v.flags[k] & Flag.implicit ? undefined : at.get(key(v.layer[k], v.offset[k]));
      if (own !== undefined) born[k] = Math.min(born[k], own);
      if (born[k] === never) born[k] = firstOf[v.layer[k]] ?? count;
      const p = parent[node];
      for (let q = p < 0 ? 0 : first[p]; p >= 0 && q < first[p + 1]; q++) {
        if (v.layer[q] === v.layer[k] && v.flags[q] & Flag.implicit && v.kind[k] !== Kind.whiteout)
          born[q] = Math.min(born[q], born[k]);
      }
    }
  }
  const out: Span[][] = [];
  for (let node = 0; node < nodes; node++) {
    const spans: Span[] = [];
    for (let k = first[node]; k < first[node + 1]; k++) {
      if (v.kind[k] !== Kind.whiteout) spans.push({ version: k, from: born[k], to: end(k, node) });
    }
    out.push(spans);
  }
  return out;

  function end(k: number, node: number): number {
    if (v.until[k] === 0) return never;
    const next = k + 1;
    if (v.cause[k] === Cause.replaced && next < first[node + 1]) return born[next];
    const by = hiderOf(index, node, k, (q) => extra(index, q).opaqueAt ?? -1);
    const time = by.offset >= 0 ? at.get(key(by.layer, by.offset)) : undefined;
    if (time !== undefined) return time;
    // The whiteout gave way to what its own layer wrote there.
    for (let q = first[by.node]; q < first[by.node + 1]; q++) if (v.layer[q] === by.layer) return born[q];
    return firstOf[by.layer] ?? count;
  }
}

function naive(index: ImageIndex, steps: readonly Step[]): Span[][] {
  const { nodes, end, parent, versions: v } = index;
  const spans: Span[][] = Array.from({ length: nodes }, () => []);
  const open = new Int32Array(nodes).fill(-1);
  const close = (node: number, time: number) => {
    const last = spans[node].at(-1);
    if (open[node] >= 0 && last) last.to = time;
    open[node] = -1;
  };
  const put = (node: number, version: number, time: number) => {
    close(node, time);
    open[node] = version;
    spans[node].push({ version, from: time, to: never });
  };
  for (const [i, s] of steps.entries()) {
    const time = i + 1;
    if (s.kind === 'entry') {
      for (let p = parent[s.node]; p >= 0 && open[p] < 0; p = parent[p]) put(p, index.first[p], time);
      // What is no folder cannot keep what was in the folder.
      if (v.kind[s.version] !== Kind.dir) for (let n = s.node + 1; n < end[s.node]; n++) close(n, time);
      put(s.node, s.version, time);
    } else {
      for (let n = s.kind === 'opaque' ? s.node + 1 : s.node; n < end[s.node]; n++) close(n, time);
    }
  }
  return spans;
}

/** The version that a path shows at a time, -1 for none. */
export function shows(spans: readonly Span[], time: number): number {
  for (const s of spans) if (s.from <= time && time < s.to) return s.version;
  return -1;
}

/** What a step does by the rules; the page words it. */
export type Rule =
  | 'added'
  | 'merged'
  | 'replaced'
  | 'retyped'
  | 'linked'
  | 'whiteout'
  | 'nothing'
  | 'opaque'
  | 'overruled';

export function ruleOf(index: ImageIndex, film: Film, time: number): Rule {
  const s = film.steps[time - 1];
  const { versions: v } = index;
  if (s.kind === 'opaque') return 'opaque';
  const before = shows(film.right[s.node], time - 1);
  if (s.kind === 'whiteout') return before >= 0 ? 'whiteout' : 'nothing';
  if (shows(film.right[s.node], time) !== s.version) return 'overruled';
  if (before >= 0 && v.kind[before] !== v.kind[s.version]) return 'retyped';
  if (v.flags[s.version] & Flag.linked) return 'linked';
  if (before < 0) return 'added';
  return v.kind[s.version] === Kind.dir ? 'merged' : 'replaced';
}

/** The nodes at which the naive way differs at a time, at most `most`. */
export function parted(film: Film, time: number, most: number): number[] {
  const out: number[] = [];
  for (let n = 0; n < film.right.length && out.length < most; n++) {
    if (shows(film.right[n], time) !== shows(film.naive[n], time)) out.push(n);
  }
  return out;
}

/** The first step after which the two ways differ for good or for a while, 0 where they never do. */
export function partsAt(film: Film): number {
  const times = new Set<number>();
  for (let n = 0; n < film.right.length; n++) {
    for (const s of [...film.right[n], ...film.naive[n]]) {
      if (shows(film.right[n], s.from) !== shows(film.naive[n], s.from)) times.add(s.from);
      if (s.to !== never && shows(film.right[n], s.to) !== shows(film.naive[n], s.to)) times.add(s.to);
    }
  }
  return times.size === 0 ? 0 : Math.min(...times);
}

/** The paths on the stage: all of a small image, else the folder of the step with the folders above it. */
export function stage(index: ImageIndex, film: Film, time: number, most: number): number[] {
  if (index.nodes <= most) return Array.from({ length: index.nodes - 1 }, (_, i) => i + 1);
  const at = film.steps[Math.max(0, time - 1)]?.node ?? 0;
  const folder = at === 0 ? 0 : index.parent[at];
  const out: number[] = [];
  for (let p = folder; p > 0; p = index.parent[p]) out.unshift(p);
  for (let n = folder + 1; n < index.end[folder] && out.length < most; n = index.end[n]) out.push(n);
  if (!out.includes(at) && at > 0) out.push(at);
  return out;
}
