import { pieces } from '../core/export/csv.ts';
import { lines } from '../core/export/tables.ts';
import type { Tabulate, Tabulated } from './messages.ts';

// Words a table away from the page's own thread, piece by piece, then is ended.

const scope = self as unknown as { postMessage(m: Tabulated): void };

self.onmessage = (m: MessageEvent<Tabulate>) => {
  try {
    for (const { text, lines: n } of pieces(lines(m.data.table))) scope.postMessage({ text, lines: n });
    scope.postMessage({ done: true });
  } catch (cause) {
    scope.postMessage({ message: String(cause) });
  }
};
