import { ReadAhead } from '../core/readahead.ts';

/** Answers the core's reads from a File in windows, inside a worker (FileReaderSync). */
export class FileWindows {
  readonly #file: Blob;
  readonly #ahead = new ReadAhead();
  readonly #reader = new FileReaderSync();
  #window = new Uint8Array(0);
  #start = 0;

  constructor(file: Blob) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Fills `into` from offset; fewer bytes only at the end of the file. Throws where the file cannot be read any more. */
  readAt(offset: number, into: Uint8Array): number {
    let done = 0;
    while (done < into.length && offset + done < this.#file.size) {
      const at = offset + done - this.#start;
      if (at < 0 || at >= this.#window.length) {
        this.#load(offset + done, into.length - done);
        continue;
      }
      const piece = this.#window.subarray(at, at + into.length - done);
      into.set(piece, done);
      done += piece.length;
    }
    return done;
  }

  #load(offset: number, n: number): void {
    const [start, end] = this.#ahead.window(offset, n, this.#file.size);
    this.#window = new Uint8Array(this.#reader.readAsArrayBuffer(this.#file.slice(start, end)));
    this.#start = start;
    if (this.#window.length === 0) throw new Error('the file became shorter while it was read');
  }
}
