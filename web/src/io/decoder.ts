import { buffersOf, prepare } from '../core/prepare.ts';
import type { Decoded } from './messages.ts';

// Decodes an index away from the page's own thread, then is ended.

const scope = self as unknown as { postMessage(m: Decoded, transfer?: Transferable[]): void };

self.onmessage = (m: MessageEvent<Uint8Array<ArrayBuffer>>) => {
  try {
    const prepared = prepare(m.data);
    scope.postMessage({ prepared }, buffersOf(prepared));
  } catch (cause) {
    scope.postMessage({ message: String(cause) });
  }
};
