import type { Network, Volume } from '../core/wire.ts';
import { api } from '../io/api.ts';

/** Volumes and networks of the server; loaded with their pages, and anew when an event tells of one. */
class Things {
  volumes = $state.raw<Volume[] | null>(null);
  networks = $state.raw<Network[] | null>(null);
  problem = $state.raw<unknown>(null);

  readonly #last = { volumes: 0, networks: 0 };

  async loadVolumes(): Promise<void> {
    await this.#load('volumes', async () => {
      const { volumes } = await api.volumes();
      return () => {
        this.volumes = volumes;
      };
    });
  }

  async loadNetworks(): Promise<void> {
    await this.#load('networks', async () => {
      const { networks } = await api.networks();
      return () => {
        this.networks = networks;
      };
    });
  }

  /** Of several answers the one to the latest question counts, in whatever order they come. */
  async #load(what: 'volumes' | 'networks', ask: () => Promise<() => void>): Promise<void> {
    const number = ++this.#last[what];
    try {
      const keep = await ask();
      if (number !== this.#last[what]) return;
      keep();
      this.problem = null;
    } catch (cause) {
      if (number === this.#last[what]) this.problem = cause;
    }
  }
}

export const things = new Things();
