import type { UploadPhase } from '../core/wire.ts';
import { api, upload } from '../io/api.ts';
import { app } from './app.svelte.ts';

/** One archive on its way to the store. */
export class Upload {
  readonly id = crypto.randomUUID();
  readonly name: string;
  phase = $state<UploadPhase>('receiving');
  done = $state(0);
  total = $state(-1);
  state = $state<'running' | 'finished' | 'failed' | 'canceled'>('running');
  problem = $state.raw<unknown>(null);
  images = $state.raw<string[]>([]);
  readonly #abort = new AbortController();

  constructor(file: File) {
    this.name = file.name;
    this.total = file.size;
    const quiet = app.onUpload(this.id, (p) => {
      if (p.phase === 'receiving') return; // the browser knows better what it has sent
      this.phase = p.phase;
      this.done = p.done;
      this.total = p.total;
    });
    const sent = (done: number, total: number) => {
      if (this.phase !== 'receiving') return;
      this.done = done;
      this.total = total;
    };
    upload(file, this.id, sent, this.#abort.signal)
      .then((answer) => {
        this.images = answer.images.map((i) => i.id);
        this.state = 'finished';
        return app.refresh();
      })
      .catch((cause: unknown) => {
        if (this.state === 'finished') return;
        this.problem = cause;
        this.state = this.#abort.signal.aborted ? 'canceled' : 'failed';
      })
      .finally(quiet);
  }

  /** Whether the server reads no more of it for now. */
  held = $state(false);

  /** Holds the sending, or lets it go on. */
  async hold(still: boolean): Promise<void> {
    try {
      await api.holdUpload(this.id, still);
      this.held = still;
    } catch {
      this.held = false; // all of it was received meanwhile
    }
  }

  cancel(): void {
    this.#abort.abort();
    // The server notices that nobody sends any more only when it reads.
    if (this.held) void this.hold(false);
  }
}

class Uploads {
  list = $state.raw<Upload[]>([]);

  add(files: Iterable<File>): Upload[] {
    const added = [...files].map((f) => new Upload(f));
    this.list = [...added, ...this.list];
    return added;
  }

  dismiss(u: Upload): void {
    this.list = this.list.filter((x) => x !== u);
  }
}

export const uploads = new Uploads();
