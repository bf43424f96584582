import type { Activity, Container, ReportLine } from './wire.ts';

/** What stands around a container's slabs: nothing, a box, or a box that stands still. */
export type Box = 'none' | 'runs' | 'frozen';

export function boxOf(c: Pick<Container, 'state'>): Box {
  if (c.state === 'paused') return 'frozen';
  return c.state === 'running' || c.state === 'restarting' ? 'runs' : 'none';
}

// What the stack says of itself while it happens and for a moment after; other
// verbs change nothing of it.
const told = [
  'create',
  'start',
  'run',
  'exec',
  'pause',
  'unpause',
  'stop',
  'restart',
  'kill',
  'commit',
  'rm',
  'export',
  'save',
  'cp',
  'rename',
  'tag',
] as const;
export type Deed = (typeof told)[number];

/** The deed of an activity that the stack shows, null where it shows none. */
export function deedOf(a: Activity): Deed | null {
  // What docker exec calls last; record stop and share rm are no deeds of the container.
  const verb = a.verb === 'exec start' ? 'exec' : a.verb.replace(/^(container|image) /, '');
  return told.find((x) => x === verb) ?? null;
}

/** The activities that the stack shows by what they are about, the newest of each: container and image ids. */
export function remember(lately: ReadonlyMap<string, Activity>, a: Activity): ReadonlyMap<string, Activity> {
  if (deedOf(a) === null) return lately;
  const next = new Map(lately);
  for (const thing of [...a.containers, ...a.images]) {
    const known = next.get(thing.id);
    if (!known || known.id <= a.id) next.set(thing.id, a);
  }
  return next;
}

/** A line of a Dockerfile beside the stack. */
export interface Tied {
  line: ReportLine;
  /** made: a layer; metadata: the config alone; base: the layers of FROM; none: nothing of this image. */
  tie: 'made' | 'metadata' | 'base' | 'none';
  /** Whether the slider has passed it: metadata goes with the layer before it. */
  applied: boolean;
}

/** The lines with what they are tied to, as the stack stands after `layer`. */
export function tied(lines: readonly ReportLine[], layer: number): Tied[] {
  let last = -1;
  return lines.map((line) => {
    if (line.layer !== undefined) last = line.layer;
    const foreign = line.note === 'other-stage' || line.note === 'not-built';
    const tie = foreign
      ? 'none'
      : line.note === 'base'
        ? 'base'
        : line.layer !== undefined
          ? 'made'
          : line.history !== undefined || line.note === 'not-in-file'
            ? 'metadata'
            : 'none';
    return { line, tie, applied: tie !== 'none' && last <= layer };
  });
}

/** Whether a dropped file is to stand beside the stack rather than to be looked into. */
export function isDockerfile(name: string, bytes: number): boolean {
  return bytes <= 1 << 20 && /(^|[/\\._-])(docker|container)file([._-][\w.-]+)?$/i.test(name);
}
