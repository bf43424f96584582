import { CatchUp } from '../../core/catchup.ts';
import type { ApiEvent, Recording } from '../../core/wire.ts';
import { api } from '../../io/api.ts';
import { app } from '../app.svelte.ts';

/** The list after an event: a recording is there, as it is now, or it is gone. */
function apply(list: Recording[], e: ApiEvent): Recording[] {
  const rest = list.filter((r) => r.id !== e.id);
  const now = e.data as Recording | null;
  return now ? [now, ...rest].toSorted((a, b) => b.startedAt.localeCompare(a.startedAt)) : rest;
}

/** What the server has recorded, followed by its events. */
class Recordings {
  list = $state.raw<Recording[] | null>(null);
  problem = $state.raw<unknown>(null);
  readonly #asked = new CatchUp<Recording[], ApiEvent>(apply);

  /** Follows while somebody looks; an effect of who looks. */
  follow(): () => void {
    if (app.turn) void this.refresh();
    return app.on((e) => {
      if (e.kind !== 'recording') return;
      this.#asked.hear(e);
      if (this.list) this.list = apply(this.list, e);
    });
  }

  async refresh(): Promise<void> {
    try {
      const now = await this.#asked.ask(async () => (await api.recordings()).recordings);
      if (!now) return;
      this.list = now;
      this.problem = null;
    } catch (cause) {
      this.problem = cause;
    }
  }

  /** The recording that runs of a terminal. */
  running(container: string, terminal: string): Recording | undefined {
    return this.list?.find((r) => r.ended === '' && r.container === container && r.terminal === terminal);
  }
}

export const recordings = new Recordings();
