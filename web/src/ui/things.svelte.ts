import type { Network, Volume } from '../core/wire.ts';
import { api } from '../io/api.ts';

/** Volumes and networks of the server; loaded with their pages, and anew when an event tells of one. */
class Things {
  volumes = $state.raw<Volume[] | null>(null);
  networks = $state.raw<Network[] | null>(null);
  problem = $state.raw<unknown>(null);

  async loadVolumes(): Promise<void> {
    await this.#try(async () => {
      this.volumes = (await api.volumes()).volumes;
    });
  }

  async loadNetworks(): Promise<void> {
    await this.#try(async () => {
      this.networks = (await api.networks()).networks;
    });
  }

  async #try(load: () => Promise<void>): Promise<void> {
    try {
      await load();
      this.problem = null;
    } catch (cause) {
      this.problem = cause;
    }
  }
}

export const things = new Things();
