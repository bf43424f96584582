import type { Table } from '../core/export/tables.ts';
import type { Prepared } from '../core/prepare.ts';
import type { Lens } from '../core/route.ts';
import type { Account, Binary, ReportHistory, ReportLine } from '../core/wire.ts';

/** What the page asks of the worker. */
export type Ask =
  | { type: 'load' }
  | { type: 'survey'; file: File }
  | { type: 'hold'; still: boolean }
  | { type: 'lens'; id: number; image: number; lens: Lens }
  | { type: 'content'; id: number; image: number; layer: number; offset: number; size: number }
  | { type: 'flatten'; id: number; image: number }
  | { type: 'elf'; id: number; image: number; layer: number; path: string }
  | { type: 'account'; id: number; image: number; contents: boolean }
  | { type: 'dockerfile'; id: number; text: string; history: ReportHistory[] };

/** What the worker tells. `report` is the JSON text of imagecore.Report. */
export type Tell =
  | { type: 'progress'; done: number; total: number }
  | { type: 'report'; json: string }
  | { type: 'index'; image: number; prepared: Prepared }
  | { type: 'surveyed'; milliseconds: number }
  | { type: 'lens'; id: number; prepared: Prepared }
  | { type: 'content'; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'flattened'; id: number; tar: Blob }
  | { type: 'account'; id: number; account: Account }
  | { type: 'lines'; id: number; lines: ReportLine[] }
  | { type: 'elf'; id: number; binary: Binary }
  | { type: 'failed'; id: number; failure: Failure };

/** What the decoder answers. */
export type Decoded = { prepared: Prepared } | { message: string };

/** The error JSON of the core: kind, code and place. */
export interface Failure {
  kind: string;
  code: string;
  args: Record<string, string> | null;
  message: string;
  layer: number;
  entry: string;
  offset: number;
}

/** What is asked of the tabulator, and what it tells: pieces of a file, then that it is whole or why not. */
export interface Tabulate {
  table: Table;
}
export type Tabulated = { text: string; lines: number } | { done: true } | { message: string };
