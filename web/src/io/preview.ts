import { outerFiles } from '../core/outer.ts';
import type { Prepared } from '../core/prepare.ts';
import type { Account, Report, ReportHistory, ReportLine } from '../core/wire.ts';
import type { Ask, Failure, Tell } from './messages.ts';
import { outerBytes } from './outer.ts';
import { saveBlob } from './save.ts';
import type { Source } from './source.ts';

/** How many files of an archive are shown at most. */
const most = 2000;

/** What the core says of an archive that it refuses. */
export class PreviewFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export interface Preview extends Source {
  readonly file: File;
  readonly milliseconds: number;
  close(): void;
}

/** The core at work in a thread of its own: questions with a number, each answered once. */
class Core {
  readonly worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(cause: Error): void }>();
  #next = 1;

  ask<T>(make: (id: number) => Ask): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.worker.postMessage(make(id));
    });
  }

  /** Gives an answer to whoever asked for it. */
  answer(t: Tell): void {
    if (!('id' in t)) return;
    const asked = this.#waiting.get(t.id);
    this.#waiting.delete(t.id);
    if (t.type === 'failed') asked?.reject(new PreviewFailure(t.failure));
    else if (t.type === 'content') asked?.resolve(t.bytes);
    else if (t.type === 'flattened') asked?.resolve(t.tar);
    else if (t.type === 'lens') asked?.resolve(t.prepared);
    else if (t.type === 'account') asked?.resolve(t.account);
    else if (t.type === 'elf') asked?.resolve(t.binary);
    else asked?.resolve(t.lines);
  }

  end(cause: Error): void {
    this.worker.terminate();
    for (const w of this.#waiting.values()) w.reject(cause);
    this.#waiting.clear();
  }
}

/** A core that waits for the next archive. */
let spare: Core | null = null;

/** Has the core loaded and compiled before an archive is there: a tenth of a second and more that is not waited for then. */
export function loadAhead(): void {
  if (spare) return;
  const core = new Core();
  core.worker.onerror = () => {
    if (spare === core) spare = null;
  };
  core.worker.postMessage({ type: 'load' } satisfies Ask);
  spare = core;
}

function newCore(): Core {
  const core = spare ?? new Core();
  spare = null;
  return core;
}

/** An archive while it is read. */
export interface Reading {
  readonly found: Promise<Preview>;
  /** Holds the reading, or lets it go on; without effect where the core cannot wait (see waits.ts). */
  hold(still: boolean): void;
}

/** Looks into an archive without sending it: a worker runs the core over the file. Aborting ends the worker at once. */
export function preview(
  file: File,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Reading {
  const core = newCore();
  const found = new Promise<Preview>((resolve, reject) => {
    const indexes = new Map<number, Prepared>();
    let report: Report | null = null;
    const end = (cause: Error) => {
      core.end(cause);
      reject(cause);
    };
    signal.addEventListener('abort', () => end(new DOMException('preview canceled', 'AbortError')), {
      once: true,
    });
    core.worker.onerror = (e) => end(new Error(e.message || 'the worker did not start'));
    core.worker.onmessage = (m: MessageEvent<Tell>) => {
      const t = m.data;
      if (t.type === 'progress') onProgress(t.done, t.total);
      else if (t.type === 'report') report = JSON.parse(t.json) as Report;
      else if (t.type === 'index') indexes.set(t.image, t.prepared);
      else if (t.type === 'surveyed') {
        if (report) resolve(opened(core, file, report, indexes, t.milliseconds));
        else end(new Error('the core gave no report'));
      } else if (t.type === 'failed' && t.id === 0) end(new PreviewFailure(t.failure));
      else core.answer(t);
    };
    core.worker.postMessage({ type: 'survey', file } satisfies Ask);
  });
  return { found, hold: (still) => core.worker.postMessage({ type: 'hold', still } satisfies Ask) };
}

/** The archive that a core has surveyed. */
function opened(
  core: Core,
  file: File,
  report: Report,
  indexes: Map<number, Prepared>,
  milliseconds: number,
): Preview {
  const known = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, make: (id: number) => Ask): Promise<T> => {
    const found = (known.get(key) as Promise<T> | undefined) ?? core.ask<T>(make);
    known.set(key, found);
    return found;
  };
  return {
    report,
    file,
    milliseconds,
    async index(image, lens) {
      if (lens !== 'spec') return once(`${image} ${lens}`, (id) => ({ type: 'lens', id, image, lens }));
      const index = indexes.get(image);
      if (!index) throw new RangeError(`no index for image ${image}`);
      return index;
    },
    content: (image, layer, offset, size) =>
      core.ask((id) => ({ type: 'content', id, image, layer, offset, size })),
    account: (image, contents) =>
      once<Account>(`${image} account ${contents}`, (id) => ({ type: 'account', id, image, contents })),
    elf: (image, layer, path) => core.ask((id) => ({ type: 'elf', id, image, layer, path })),
    async files() {
      const bytes = outerBytes(file, report.source.compression);
      return bytes && outerFiles(bytes, most);
    },
    async flatten(image, name) {
      saveBlob(name, await core.ask<Blob>((id) => ({ type: 'flatten', id, image })));
    },
    close: () => core.worker.terminate(),
  };
}

/** Which layer each line of a Dockerfile made, by the words of an image's history. */
export async function matchDockerfile(text: string, history: ReportHistory[]): Promise<ReportLine[]> {
  const core = newCore();
  core.worker.onmessage = (m: MessageEvent<Tell>) => core.answer(m.data);
  core.worker.onerror = (e) => core.end(new Error(e.message || 'the worker did not start'));
  try {
    return await core.ask((id) => ({ type: 'dockerfile', id, text, history }));
  } finally {
    core.worker.terminate();
  }
}
