import { ReadAhead } from '../core/readahead.ts';

/** How much is asked for at once where reads run ahead, and how many pieces of it are on their way. */
const piece = 4 << 20;
const pieces = 4;

/** A part of the file that is on its way. */
interface Coming {
  start: number;
  end: number;
  bytes: Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * Answers the core's reads from a File in windows, inside a worker. Where the
 * core can wait (see guest.ts), and goes through the file from one byte to the
 * next, the pieces that follow are read meanwhile, several at a time: the
 * browser reads twice as fast so as by one call after the other. Else, and where
 * the core jumps, by FileReaderSync.
 */
export class FileWindows {
  readonly #file: Blob;
  readonly #waits: boolean;
  readonly #ahead = new ReadAhead();
  readonly #reader = new FileReaderSync();
  #coming: Coming[] = [];
  #window = new Uint8Array(0);
  #start = 0;

  /** `waits` says that readAt may answer with a promise. */
  constructor(file: Blob, waits: boolean) {
    this.#file = file;
    this.#waits = waits;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Fills `into` from offset; fewer bytes only at the end of the file. Throws, or rejects, where the file cannot be read any more. */
  readAt(offset: number, into: Uint8Array): number | Promise<number> {
    let done = 0;
    while (done < into.length && offset + done < this.#file.size) {
      const at = offset + done - this.#start;
      if (at < 0 || at >= this.#window.length) {
        const coming = this.#load(offset + done, into.length - done);
        if (coming) return coming.then(() => this.#rest(offset, into, done));
        continue;
      }
      const part = this.#window.subarray(at, at + into.length - done);
      into.set(part, done);
      done += part.length;
    }
    return done;
  }

  async #rest(offset: number, into: Uint8Array, done: number): Promise<number> {
    return done + (await this.readAt(offset + done, into.subarray(done)));
  }

  /** Makes the window hold the byte at offset; a promise where that is on its way. */
  #load(offset: number, n: number): Promise<void> | undefined {
    while (this.#coming.length > 0 && !(this.#coming[0].start <= offset && offset < this.#coming[0].end)) {
      this.#coming.shift();
    }
    if (this.#coming.length === 0) {
      const [start, end] = this.#ahead.window(offset, n, this.#file.size);
      if (!this.#waits || end - start < piece) {
        this.#hold(start, new Uint8Array(this.#reader.readAsArrayBuffer(this.#file.slice(start, end))));
        return undefined;
      }
      this.#ask(start);
    }
    const first = this.#coming.shift() as Coming;
    let end = this.#coming.at(-1)?.end ?? first.end;
    while (this.#coming.length < pieces - 1 && end < this.#file.size) end = this.#ask(end);
    this.#ahead.passed(end);
    return first.bytes.then((bytes) => this.#hold(first.start, bytes));
  }

  /** Begins to read a piece and returns where it ends. */
  #ask(start: number): number {
    const end = Math.min(start + piece, this.#file.size);
    const bytes = this.#file
      .slice(start, end)
      .arrayBuffer()
      .then((b) => new Uint8Array(b));
    bytes.catch(() => undefined); // told to who waits for it, if anybody does
    this.#coming.push({ start, end, bytes });
    return end;
  }

  #hold(start: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#window = bytes;
    this.#start = start;
    if (bytes.length === 0) throw new Error('the file became shorter while it was read');
  }
}
