import { advance, type Lesson, lessons as list, type Seen } from '../core/lessons.ts';
import type { ApiEvent, Changes } from '../core/wire.ts';
import { api } from '../io/api.ts';
import { app } from './app.svelte.ts';
import { looking } from './looking.svelte.ts';
import { untilLeft } from './untilleft.ts';

const stored = 'layerlab.lessons';

/** Which lessons the reader has seen; kept in this browser. */
class Lessons {
  current = $state.raw<Lesson | null>(null);
  kept = $state.raw<readonly string[]>([]);
  done = $state.raw<readonly string[]>([]);
  skipped = $state(false);
  /** The containers that were there when the lesson began, by id; null until the lists are there. */
  #before = $state.raw<ReadonlySet<string> | null>(null);
  #changes = $state.raw<ReadonlyMap<string, Changes>>(new Map());

  constructor() {
    try {
      const was = JSON.parse(localStorage.getItem(stored) ?? '{}') as Partial<{
        current: string;
        kept: string[];
        before: string[] | null;
        done: string[];
        skipped: boolean;
      }>;
      this.current = list.find((l) => l.id === was.current) ?? null;
      this.kept = was.kept ?? [];
      this.#before = was.before ? new Set(was.before) : null;
      this.done = was.done ?? [];
      this.skipped = was.skipped === true;
    } catch {
      // What another version has left there is forgotten.
    }
  }

  get seen(): Seen {
    const own = app.lists.images.find((i) => i.refs.includes('layerlab/sample:latest'));
    const looked = looking.preview?.report.images.find((i) =>
      i.refs?.some((r) => r.endsWith('layerlab/sample:latest')),
    );
    const sample =
      own ??
      (looked && {
        id: looked.id,
        layers: looked.layers.map((l) => ({ chainID: l.chainID, createdBy: l.createdBy ?? '' })),
      });
    return {
      route: app.route,
      sample: sample ?? null,
      images: app.lists.images,
      containers: app.lists.containers,
      before: app.loaded ? this.#before : null,
      changes: this.#changes,
    };
  }

  begin(id: Lesson['id']): void {
    this.current = list.find((l) => l.id === id) ?? null;
    this.kept = [];
    this.#before = null;
    this.#changes = new Map();
    this.#remember();
    this.#keep();
  }

  leave(): void {
    this.current = null;
    this.#keep();
  }

  skip(): void {
    this.skipped = true;
    this.#keep();
  }

  /** Goes on as far as the engine's state allows. Called whenever that changes. */
  look(): void {
    const lesson = this.current;
    if (!lesson) return;
    this.#remember();
    const kept = advance(lesson, this.kept, this.seen);
    if (kept === this.kept) return;
    this.kept = kept;
    if (kept.length === lesson.steps.length && !this.done.includes(lesson.id))
      this.done = [...this.done, lesson.id];
    this.#keep();
  }

  /** Follows what containers write, while a lesson asks for it. */
  follow(): () => void {
    const put = (id: string, c: Changes) => {
      this.#changes = new Map(this.#changes).set(id, c);
    };
    const told = new Set<string>();
    const first = (id: string) => (x: Changes) => {
      if (!told.has(id)) put(id, x);
    };
    const drops = app.lists.containers
      .filter((c) => c.image === this.seen.sample?.id)
      .map((c) => untilLeft(api.changes(c.id), first(c.id), () => undefined));
    drops.push(
      app.on((e: ApiEvent) => {
        if (e.kind !== 'container.changes') return;
        told.add(e.id);
        put(e.id, e.data as Changes);
      }),
    );
    return () => {
      for (const drop of drops) drop();
    };
  }

  /** Notes what was there before the lesson, as soon as that is known. */
  #remember(): void {
    if (this.#before || !app.loaded) return;
    this.#before = new Set(app.lists.containers.map((c) => c.id));
    this.#keep();
  }

  #keep(): void {
    localStorage.setItem(
      stored,
      JSON.stringify({
        current: this.current?.id,
        kept: this.kept,
        before: this.#before && [...this.#before],
        done: this.done,
        skipped: this.skipped,
      }),
    );
  }
}

export const lessons = new Lessons();
