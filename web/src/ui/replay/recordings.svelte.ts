import type { Recording } from '../../core/wire.ts';
import { api } from '../../io/api.ts';
import { app } from '../app.svelte.ts';

/** What the server has recorded, followed by its events. */
class Recordings {
  list = $state.raw<Recording[] | null>(null);
  problem = $state.raw<unknown>(null);

  /** Follows while somebody looks; an effect of who looks. */
  follow(): () => void {
    if (app.connection === 'open') void this.refresh();
    return app.on((e) => {
      if (e.kind === 'recording' && this.list) {
        const rest = this.list.filter((r) => r.id !== e.id);
        const now = e.data as Recording | null;
        this.list = now ? [now, ...rest].toSorted((a, b) => b.startedAt.localeCompare(a.startedAt)) : rest;
      }
    });
  }

  async refresh(): Promise<void> {
    try {
      this.list = (await api.recordings()).recordings;
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
