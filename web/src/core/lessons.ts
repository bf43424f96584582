import { type Route, top } from './route.ts';
import type { Changes, Container, Image } from './wire.ts';

/** What the lessons see of the page and of the engine. */
export interface Seen {
  route: Route;
  /** The sample image: the store's, or the one that is looked at in the browser. */
  sample: { id: string; layers: { chainID: string; createdBy: string }[] } | null;
  images: readonly Image[];
  containers: readonly Container[];
  /** The containers that were there when the lesson began, by id: what they did is not the reader's. Null until the engine has told. */
  before: ReadonlySet<string> | null;
  /** What containers wrote, by id; only of those of which the engine told. */
  changes: ReadonlyMap<string, Changes>;
}

/** A step is done when `check` finds what it asks for; what it finds (a container's id, "" for nothing) is kept for later steps. */
export interface LessonStep {
  key: string;
  check: (s: Seen, kept: readonly string[]) => string | null;
  /** False where what was found is no longer there, and has to be made again. */
  keeps?: (s: Seen, kept: readonly string[]) => boolean;
  /** Where to do it, if it is elsewhere than where the reader may be. */
  at?: (s: Seen, kept: readonly string[]) => Route | null;
  /** What to type into the terminal. */
  type?: string;
}

export interface Lesson {
  id: 'layers' | 'cow' | 'life';
  /** Needs an engine that runs containers. */
  runs: boolean;
  steps: LessonStep[];
}

const yes = (found: boolean) => (found ? '' : null);
const lookOf = (r: Route) => (r.view === 'image' || r.view === 'preview' ? r.look : null);
const atSample = (s: Seen) =>
  (s.route.view === 'image' || s.route.view === 'preview') && s.sample !== null && s.route.id === s.sample.id;
/** The layer of which the history says that it deletes. */
const deleting = (s: Seen) => s.sample?.layers.findIndex((l) => /\bdelete\b/.test(l.createdBy)) ?? -1;
/** The containers of the lesson: of the sample image, made since it began. */
const ofLesson = (s: Seen) =>
  s.containers.filter((c) => c.image === s.sample?.id && s.before?.has(c.id) === false);
const find = (s: Seen, id: string) => s.containers.find((c) => c.id === id);
const homeRoute: Route = { view: 'home' };
const containerRoute = (id: string): Route => ({ view: 'container', id });

const layers: LessonStep[] = [
  {
    key: 'open',
    check: (s) => yes(atSample(s)),
    at: (s) =>
      s.sample && s.images.some((i) => i.id === s.sample?.id)
        ? { view: 'image', id: s.sample.id, look: top }
        : homeRoute,
  },
  {
    key: 'only',
    check: (s) => {
      const look = lookOf(s.route);
      return yes(atSample(s) && look?.mode === 'only' && look.layer === deleting(s));
    },
  },
  { key: 'whiteout', check: (s) => yes(atSample(s) && lookOf(s.route)?.path === 'etc/my-app-config') },
  {
    key: 'cost',
    check: (s) =>
      yes(atSample(s) && (s.route.view === 'image' || s.route.view === 'preview') && s.route.tab === 'waste'),
  },
];

const copied = (x: Changes | undefined) => x?.changes.some((c) => c.copiedUp > 0) === true;

const cow: LessonStep[] = [
  {
    key: 'run',
    check: (s) => ofLesson(s).find((c) => c.state === 'running')?.id ?? null,
    keeps: (s, kept) => find(s, kept[0]) !== undefined,
    at: () => homeRoute,
  },
  {
    key: 'change',
    check: (s) => ofLesson(s).find((c) => copied(s.changes.get(c.id)))?.id ?? null,
    keeps: (s, kept) => find(s, kept[1]) !== undefined,
    at: (_, kept) => containerRoute(kept[0]),
    type: 'echo more >> /bin/my-app-tools',
  },
  {
    key: 'delete',
    check: (s, kept) => yes(s.changes.get(kept[1])?.changes.some((c) => c.kind === 'D') === true),
    at: (_, kept) => containerRoute(kept[1]),
    type: 'rm /etc/os-release',
  },
  {
    key: 'second',
    check: (s, kept) =>
      find(s, kept[1])?.state === 'running'
        ? (ofLesson(s).find((c) => c.id !== kept[1] && c.state === 'running' && !copied(s.changes.get(c.id)))
            ?.id ?? null)
        : null,
    at: () => homeRoute,
  },
];

const life: LessonStep[] = [
  {
    key: 'create',
    check: (s) => ofLesson(s).find((c) => c.state === 'created' && !c.startedAt)?.id ?? null,
    // The last step is to remove it.
    keeps: (s, kept) => kept.length === life.length - 1 || find(s, kept[0]) !== undefined,
    at: () => homeRoute,
  },
  {
    key: 'start',
    check: (s, kept) => yes(find(s, kept[0])?.state === 'running'),
    at: (_, kept) => containerRoute(kept[0]),
  },
  {
    key: 'write',
    check: (s, kept) => yes(s.changes.get(kept[0])?.changes.some((c) => c.kind === 'A') === true),
    at: (_, kept) => containerRoute(kept[0]),
    type: 'echo mine > /my-file',
  },
  {
    key: 'commit',
    check: (s, kept) => {
      // What it was committed to before it was started has not yet what it wrote.
      const since = Date.parse(find(s, kept[0])?.startedAt ?? '');
      return s.images.find((i) => i.committedFrom === kept[0] && Date.parse(i.created) >= since)?.id ?? null;
    },
    at: (_, kept) => containerRoute(kept[0]),
  },
  { key: 'remove', check: (s, kept) => yes(!find(s, kept[0])), at: (_, kept) => containerRoute(kept[0]) },
];

export const lessons: readonly Lesson[] = [
  { id: 'layers', runs: false, steps: layers },
  { id: 'cow', runs: true, steps: cow },
  { id: 'life', runs: true, steps: life },
];

/**
 * Goes on from what is kept as far as the steps are done, and back where what a
 * step had found is gone; the same object where nothing changed. A lesson that
 * is over stays so.
 */
export function advance(lesson: Lesson, kept: readonly string[], seen: Seen): readonly string[] {
  if (kept.length === lesson.steps.length) return kept;
  const lost = seen.before ? kept.findIndex((_, i) => lesson.steps[i].keeps?.(seen, kept) === false) : -1;
  let now = lost < 0 ? kept : kept.slice(0, lost);
  while (now.length < lesson.steps.length) {
    const found = lesson.steps[now.length].check(seen, now);
    if (found === null) break;
    now = [...now, found];
  }
  return now;
}
