import { buffersOf, prepare } from '../core/prepare.ts';
import type { Account, Binary, ReportHistory, ReportLine } from '../core/wire.ts';
import { Emit, Guest } from './guest.ts';
import wasm from './imagecore.wasm?url';
import type { Ask, Failure, Tell } from './messages.ts';
import { FileWindows } from './reader.ts';
import { waits } from './waits.ts';

// The preview's worker: runs the core over a File, so that nothing leaves the
// browser. Canceling ends the whole worker.

let file: FileWindows | null = null;
let guest: Guest | null = null;
/** Takes the pieces of content of a request. */
let pieces: (bytes: Uint8Array<ArrayBuffer>) => void = () => {};
/** What was emitted as JSON for the request. */
let answered = '';
let failure: Failure | null = null;
/** The request for which an index is on its way; 0 while surveying. */
let asked = 0;
let broken = '';
let lastTick = 0;
/** While reading is held: what waits for it to go on, and since when. */
let held: { since: number; done: Promise<void>; go: () => void } | null = null;
/** How long reading was held, in milliseconds. */
let still = 0;

const scope = self as unknown as { postMessage(m: Tell, transfer?: Transferable[]): void };

function tell(m: Tell, transfer: Transferable[] = []): void {
  scope.postMessage(m, transfer);
}

const host = {
  readAt(_handle: number, offset: number, into: Uint8Array): number | Promise<number> {
    const unreadable = (cause: unknown) => {
      broken = String(cause);
      return -1;
    };
    try {
      const read = file ? file.readAt(offset, into) : -1;
      return typeof read === 'number' ? read : read.catch(unreadable);
    } catch (cause) {
      return unreadable(cause);
    }
  },
  emit(kind: number, bytes: Uint8Array<ArrayBuffer>): void {
    switch (kind) {
      case Emit.error:
        failure = JSON.parse(new TextDecoder().decode(bytes)) as Failure;
        break;
      case Emit.report:
        tell({ type: 'report', json: new TextDecoder().decode(bytes) });
        break;
      case Emit.index: {
        const image = new DataView(bytes.buffer).getUint32(0, true);
        const prepared = prepare(bytes.slice(4));
        if (asked === 0) tell({ type: 'index', image, prepared }, buffersOf(prepared));
        else tell({ type: 'lens', id: asked, prepared }, buffersOf(prepared));
        break;
      }
      case Emit.account:
      case Emit.lines:
      case Emit.elf:
        answered = new TextDecoder().decode(bytes);
        break;
      case Emit.content:
        pieces(bytes);
        break;
    }
  },
  tick(done: number, total: number): boolean | Promise<boolean> {
    const now = performance.now();
    if (now - lastTick <= 50) return false;
    lastTick = now;
    tell({ type: 'progress', done, total });
    // A wish to hold is heard only while nothing runs here.
    return (
      waits &&
      messagesIn()
        .then(() => held?.done)
        .then(() => false)
    );
  },
};

const turn = new MessageChannel();

/** Lets messages of the page in that came meanwhile. */
function messagesIn(): Promise<void> {
  return new Promise((ok) => {
    turn.port1.onmessage = () => ok();
    turn.port2.postMessage(null);
  });
}

function hold(on: boolean): void {
  if (on === (held !== null)) return;
  if (held) {
    still += performance.now() - held.since;
    held.go();
    held = null;
    return;
  }
  let go = () => {};
  const done = new Promise<void>((ok) => {
    go = ok;
  });
  held = { since: performance.now(), done, go };
}

/** Runs a request and says whether it went well; a failure has been told then. */
async function run(id: number, request: object): Promise<boolean> {
  failure = null;
  broken = '';
  try {
    if (!guest) throw new Error('no core');
    if (await guest.run(request)) return true;
  } catch (cause) {
    guest = null;
    failure = plain('core-trap', String(cause));
  }
  if (broken) failure = plain('file-unreadable', broken);
  tell({ type: 'failed', id, failure: failure ?? plain('core-trap', 'the core stopped without a reason') });
  return false;
}

function plain(code: string, message: string): Failure {
  return { kind: 'internal', code, args: {}, message, layer: -1, entry: '', offset: -1 };
}

async function load(id: number): Promise<boolean> {
  try {
    guest ??= await Guest.load(wasm, host);
    return true;
  } catch (cause) {
    tell({ type: 'failed', id, failure: plain('core-load', String(cause)) });
    return false;
  }
}

async function survey(f: File): Promise<void> {
  const began = performance.now();
  file = new FileWindows(f, waits);
  if (!(await load(0))) return;
  if (await run(0, { op: 'survey', handle: 0, size: f.size, lens: 'spec', access: 'browser' })) {
    tell({ type: 'surveyed', milliseconds: performance.now() - began - still });
  }
}

/** Ties a Dockerfile to a history; this needs no archive. */
async function dockerfile(id: number, text: string, history: ReportHistory[]): Promise<void> {
  if ((await load(id)) && (await run(id, { op: 'dockerfile', text, history })))
    tell({ type: 'lines', id, lines: JSON.parse(answered) as ReportLine[] });
}

async function answer(ask: Exclude<Ask, { type: 'hold' }>): Promise<void> {
  switch (ask.type) {
    case 'load':
      // Whoever asks for work next is told why it could not be loaded.
      guest ??= await Guest.load(wasm, host).catch(() => null);
      return;
    case 'survey':
      return survey(ask.file);
    case 'dockerfile':
      return dockerfile(ask.id, ask.text, ask.history);
    case 'lens':
      asked = ask.id;
      await run(ask.id, { op: 'index', image: ask.image, lens: ask.lens });
      return;
    case 'flatten': {
      // Blobs are kept by the browser, on disk where they are large.
      const parts: Blob[] = [];
      pieces = (bytes) => parts.push(new Blob([bytes]));
      if (await run(ask.id, { op: 'flatten', image: ask.image }))
        tell({ type: 'flattened', id: ask.id, tar: new Blob(parts) });
      return;
    }
    case 'elf': {
      const { id, image, layer, path } = ask;
      if (await run(id, { op: 'elf', image, layer, path }))
        tell({ type: 'elf', id, binary: JSON.parse(answered) as Binary });
      return;
    }
    case 'account': {
      const { id, image, contents } = ask;
      if (await run(id, { op: 'account', image, contents }))
        tell({ type: 'account', id, account: JSON.parse(answered) as Account });
      return;
    }
  }
  const { id, image, layer, offset, size } = ask;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  pieces = (b) => chunks.push(b);
  if (!(await run(id, { op: 'content', image, layer, offset, size }))) return;
  const bytes = new Uint8Array(chunks.reduce((n, c) => n + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    bytes.set(c, at);
    at += c.length;
  }
  tell({ type: 'content', id, bytes }, [bytes.buffer]);
}

/** One after the other: while the core waits for the file, it must not be called. */
let before = Promise.resolve();
self.onmessage = (m: MessageEvent<Ask>) => {
  const ask = m.data;
  if (ask.type === 'hold') hold(ask.still);
  else before = before.then(() => answer(ask));
};
