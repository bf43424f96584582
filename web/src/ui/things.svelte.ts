import { CatchUp } from '../core/catchup.ts';
import type { Network, Volume } from '../core/wire.ts';
import { api } from '../io/api.ts';

/** Volumes and networks of the server; loaded with their pages, and anew when an event tells of one. */
class Things {
  volumes = $state.raw<Volume[] | null>(null);
  networks = $state.raw<Network[] | null>(null);
  problem = $state.raw<unknown>(null);

  readonly #askedVolumes = new CatchUp<Volume[], never>((now) => now);
  readonly #askedNetworks = new CatchUp<Network[], never>((now) => now);

  async loadVolumes(): Promise<void> {
    await this.#load(async () => {
      const now = await this.#askedVolumes.ask(async () => (await api.volumes()).volumes);
      if (now) this.volumes = now;
    });
  }

  async loadNetworks(): Promise<void> {
    await this.#load(async () => {
      const now = await this.#askedNetworks.ask(async () => (await api.networks()).networks);
      if (now) this.networks = now;
    });
  }

  async #load(ask: () => Promise<void>): Promise<void> {
    try {
      await ask();
      this.problem = null;
    } catch (cause) {
      this.problem = cause;
    }
  }
}

export const things = new Things();
