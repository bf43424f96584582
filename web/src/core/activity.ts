import type { StepResult } from './plan.ts';
import type { Activity, ActivityStep } from './wire.ts';

/** How many the page holds; the server keeps about as many. */
export const held = 500;

/** Puts what was told of an activity into the list, newest first. */
export function put(list: readonly Activity[], a: Activity): Activity[] {
  const at = list.findIndex((x) => x.id <= a.id);
  if (at >= 0 && list[at].id === a.id) return list.with(at, a);
  const next = at < 0 ? [...list, a] : list.toSpliced(at, 0, a);
  return next.slice(0, held);
}

/** Lays what was asked for over what events told meanwhile: of the same number the one that is done counts. */
export function merge(asked: readonly Activity[], told: readonly Activity[]): Activity[] {
  let out = asked.toSorted((a, b) => b.id - a.id);
  // A server that was started anew counts from 1 again.
  const newest = out[0] ? Date.parse(out[0].time) : 0;
  for (const a of told.toReversed()) {
    const known = out.find((x) => x.id === a.id);
    if (known ? a.done && !known.done && a.time === known.time : Date.parse(a.time) > newest)
      out = put(out, a);
  }
  return out.slice(0, held);
}

export const refused = (a: Activity) => a.done && a.status >= 400;

/** What docker's command line would be called for it, as far as the record knows: "docker start web". */
export function spoken(a: Activity): string {
  if (!a.verb) return `${a.method} ${a.path}`;
  return ['docker', a.verb, ...namesOf(a)].join(' ');
}

/** The names of what it is about: its containers', else its images'; at most three. */
export function namesOf(a: Activity): string[] {
  const things = a.containers.length > 0 ? a.containers : a.images;
  const names = things.map((x) => nameOf(x));
  return names.length > 3 ? [...names.slice(0, 3), '…'] : names;
}

export const nameOf = (thing: { id: string; name: string }) =>
  thing.name || thing.id.replace(/^sha256:/, '').slice(0, 12);

export interface ActivityFilter {
  /** With calls that only look. */
  reads: boolean;
  /** Only what was refused. */
  failed: boolean;
  text: string;
}

export function filtered(list: readonly Activity[], f: ActivityFilter): Activity[] {
  const wanted = f.text.trim().toLowerCase();
  return list.filter(
    (a) =>
      (f.reads || !a.reads) &&
      (!f.failed || refused(a)) &&
      (wanted === '' ||
        `${spoken(a)} ${a.path} ${[...a.containers, ...a.images].map((x) => `${x.name} ${x.id}`).join(' ')}`
          .toLowerCase()
          .includes(wanted)),
  );
}

/** What all starts of the list put together, and what sharing saved. */
export function saved(list: readonly Activity[]): { starts: number; mounted: number; shared: number } {
  const mounts = list.flatMap((a) => a.mounts);
  return {
    starts: mounts.length,
    mounted: mounts.reduce((n, m) => n + m.shared + m.new, 0),
    shared: mounts.reduce((n, m) => n + m.shared, 0),
  };
}

/** The steps as results of a trace. A start's and an exec's steps count from launches of their own. */
export function resultsOf(steps: readonly ActivityStep[]): StepResult[] {
  return steps.map((s, step) => ({
    step,
    code: s.code,
    start: s.start,
    took: s.took,
    calls: s.calls,
    ok: s.ok,
    ...(s.errno && { errno: s.errno }),
  }));
}
