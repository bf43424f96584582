import type { Table } from '../core/export/tables.ts';
import type { Tabulate, Tabulated } from './messages.ts';
import { saveBlob } from './save.ts';

/** Saves a table as a CSV file, which a worker words; `progress` is told how many lines there are so far. */
export function saveTable(table: Table, name: string, progress: (lines: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./tabulator.ts', import.meta.url), { type: 'module' });
    // Blobs are kept by the browser, on disk where they are large.
    const parts: Blob[] = [];
    let lines = 0;
    worker.onmessage = (m: MessageEvent<Tabulated>) => {
      const t = m.data;
      if ('text' in t) {
        parts.push(new Blob([t.text]));
        lines += t.lines;
        progress(lines);
        return;
      }
      worker.terminate();
      if ('message' in t) {
        reject(new Error(t.message));
        return;
      }
      saveBlob(name, new Blob(parts, { type: 'text/csv;charset=utf-8' }));
      resolve();
    };
    worker.onerror = (e) => {
      worker.terminate();
      reject(new Error(e.message || 'the worker did not start'));
    };
    worker.postMessage({ table } satisfies Tabulate);
  });
}
