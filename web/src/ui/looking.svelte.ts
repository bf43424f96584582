import { type Preview, preview, type Reading } from '../io/preview.ts';

/** An archive that is looked at in the browser; kept while the reader walks about the page. */
export class Looking {
  file = $state.raw<File | null>(null);
  preview = $state.raw<Preview | null>(null);
  problem = $state.raw<unknown>(null);
  done = $state(0);
  total = $state(0);
  /** Whether reading is held. */
  held = $state(false);
  #reading: Reading | null = null;
  #abort: AbortController | null = null;

  async open(file: File): Promise<void> {
    this.close();
    const abort = new AbortController();
    this.#abort = abort;
    this.file = file;
    this.total = file.size;
    const progress = (done: number, total: number) => {
      this.done = done;
      if (total > 0) this.total = total;
    };
    try {
      this.#reading = preview(file, progress, abort.signal);
      const found = await this.#reading.found;
      if (this.#abort === abort) this.preview = found;
    } catch (cause) {
      if (this.#abort === abort) this.problem = cause;
    }
  }

  /** Opens an archive that has to be got first. */
  async fetch(get: () => Promise<File>): Promise<void> {
    this.close();
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const file = await get();
      if (this.#abort === abort) await this.open(file);
    } catch (cause) {
      if (this.#abort === abort) this.problem = cause;
    }
  }

  hold(still: boolean): void {
    this.held = still;
    this.#reading?.hold(still);
  }

  get busy(): boolean {
    return this.file !== null && this.preview === null && this.problem === null;
  }

  close(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.preview?.close();
    this.preview = null;
    this.problem = null;
    this.file = null;
    this.done = 0;
    this.held = false;
    this.#reading = null;
  }
}

export const looking = new Looking();
