import type { Bytes } from '../core/outer.ts';

/** The bytes of an archive as a tar, or null where this browser cannot unpack it. */
export function outerBytes(file: Blob, compression: string): Bytes | null {
  if (compression === 'none') return new Slices(file);
  if (compression === 'gzip') return new Streamed(file.stream().pipeThrough(new DecompressionStream('gzip')));
  return null;
}

/** A file of which only what is asked for is read. */
class Slices implements Bytes {
  readonly #file: Blob;
  #at = 0;

  constructor(file: Blob) {
    this.#file = file;
  }

  async take(n: number): Promise<Uint8Array> {
    const part = new Uint8Array(await this.#file.slice(this.#at, this.#at + n).arrayBuffer());
    this.#at += part.length;
    return part;
  }

  async skip(n: number): Promise<void> {
    this.#at += n;
  }
}

/** A stream that has to pass by, without being kept. */
class Streamed implements Bytes {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  async take(n: number): Promise<Uint8Array> {
    const out = new Uint8Array(n);
    let done = 0;
    while (done < n && (await this.#some())) {
      const part = this.#chunk.subarray(0, n - done);
      out.set(part, done);
      done += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return out.subarray(0, done);
  }

  async skip(n: number): Promise<void> {
    let left = n;
    while (left > 0 && (await this.#some())) {
      const part = Math.min(left, this.#chunk.length);
      left -= part;
      this.#chunk = this.#chunk.subarray(part);
    }
  }

  /** Whether there are bytes at hand. */
  async #some(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return false;
      this.#chunk = new Uint8Array(value);
    }
    return true;
  }
}
