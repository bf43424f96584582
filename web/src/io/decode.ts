import { type Prepared, prepare } from '../core/prepare.ts';
import type { Decoded } from './messages.ts';

// Below this many bytes decoding takes less than a frame, and less than a worker's start.
const small = 128 << 10;

/** Decodes an index, a large one in a worker. The bytes are taken over. */
export function decode(bytes: Uint8Array<ArrayBuffer>): Promise<Prepared> {
  if (bytes.length <= small) return Promise.resolve().then(() => prepare(bytes));
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./decoder.ts', import.meta.url), { type: 'module' });
    worker.onmessage = (m: MessageEvent<Decoded>) => {
      worker.terminate();
      if ('prepared' in m.data) resolve(m.data.prepared);
      else reject(new RangeError(m.data.message));
    };
    worker.onerror = (e) => {
      worker.terminate();
      reject(new Error(e.message || 'the worker did not start'));
    };
    worker.postMessage(bytes, [bytes.buffer]);
  });
}
