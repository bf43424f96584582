import { merge, put } from '../../core/activity.ts';
import { CatchUp } from '../../core/catchup.ts';
import type { Activity, ActivityList } from '../../core/wire.ts';
import { api } from '../../io/api.ts';

/** What the server was asked lately, kept current by events. */
class Activities {
  list = $state.raw<Activity[]>([]);
  lost = $state(0);
  loaded = $state(false);
  problem = $state.raw<unknown>(null);
  readonly #asked = new CatchUp<ActivityList, never>((now) => now);

  hear(a: Activity): void {
    this.list = put(this.list, a);
  }

  async load(): Promise<void> {
    try {
      const asked = await this.#asked.ask(() => api.activities());
      if (!asked) return;
      this.list = merge(asked.activities, this.list);
      this.lost = asked.lost;
      this.problem = null;
      this.loaded = true;
    } catch (cause) {
      this.problem = cause;
      this.loaded = true;
    }
  }

  /** What concerned a container, newest first. */
  of(container: string): Activity[] {
    return this.list.filter((a) => a.containers.some((c) => c.id === container));
  }

  forget(): void {
    this.#asked.forget();
    this.list = [];
    this.loaded = false;
  }
}

export const activity = new Activities();
