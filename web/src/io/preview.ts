import type { Prepared } from '../core/prepare.ts';
import type { Report } from '../core/wire.ts';
import type { Ask, Failure, Tell } from './messages.ts';
import type { Source } from './source.ts';

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

interface Waiting<T> {
  resolve(value: T): void;
  reject(cause: Error): void;
}

/** Looks into an archive without sending it: a worker runs the core over the file. Aborting ends the worker at once. */
export function preview(
  file: File,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Preview> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    const indexes = new Map<number, Prepared>();
    const lensed = new Map<string, Promise<Prepared>>();
    const waiting = new Map<number, Waiting<Uint8Array>>();
    const merging = new Map<number, Waiting<Prepared>>();
    let report: Report | null = null;
    let next = 1;

    const ask = (a: Ask) => worker.postMessage(a);
    const end = (cause: Error) => {
      worker.terminate();
      for (const w of [...waiting.values(), ...merging.values()]) w.reject(cause);
      reject(cause);
    };
    signal.addEventListener('abort', () => end(new DOMException('preview canceled', 'AbortError')), {
      once: true,
    });
    worker.onerror = (e) => end(new Error(e.message || 'the worker did not start'));
    worker.onmessage = (m: MessageEvent<Tell>) => {
      const t = m.data;
      switch (t.type) {
        case 'progress':
          onProgress(t.done, t.total);
          break;
        case 'report':
          report = JSON.parse(t.json) as Report;
          break;
        case 'index':
          indexes.set(t.image, t.prepared);
          break;
        case 'surveyed':
          if (report) resolve(make(report, t.milliseconds));
          else end(new Error('the core gave no report'));
          break;
        case 'content':
          waiting.get(t.id)?.resolve(t.bytes);
          waiting.delete(t.id);
          break;
        case 'lens':
          merging.get(t.id)?.resolve(t.prepared);
          merging.delete(t.id);
          break;
        case 'failed':
          if (t.id === 0) end(new PreviewFailure(t.failure));
          else (waiting.get(t.id) ?? merging.get(t.id))?.reject(new PreviewFailure(t.failure));
          waiting.delete(t.id);
          merging.delete(t.id);
          break;
      }
    };
    ask({ type: 'survey', file });

    const make = (r: Report, milliseconds: number): Preview => ({
      report: r,
      file,
      milliseconds,
      async index(image, lens) {
        if (lens === 'spec') {
          const index = indexes.get(image);
          if (!index) throw new RangeError(`no index for image ${image}`);
          return index;
        }
        const key = `${image} ${lens}`;
        const known =
          lensed.get(key) ??
          new Promise<Prepared>((ok, no) => {
            const id = next++;
            merging.set(id, { resolve: ok, reject: no });
            ask({ type: 'lens', id, image, lens });
          });
        lensed.set(key, known);
        return known;
      },
      content(image, layer, offset, size) {
        return new Promise<Uint8Array>((ok, no) => {
          const id = next++;
          waiting.set(id, { resolve: ok, reject: no });
          ask({ type: 'content', id, image, layer, offset, size });
        });
      },
      close: () => worker.terminate(),
    });
  });
}
