const least = 256 << 10;
const most = 8 << 20;

/**
 * Decides which window of a file to read when bytes are asked for that the
 * last window does not hold. A call of FileReaderSync costs 0.8 ms and each
 * megabyte about as much again, so stepping over a gap pays only above 0.4 MB:
 * windows double up to 8 MiB while reading goes on nearby and fall back to
 * 256 KiB when it jumps.
 */
export class ReadAhead {
  #next = 0;
  #size = 1 << 20;

  /** Takes note that all before `end` was asked for without asking here. */
  passed(end: number): void {
    this.#next = end;
  }

  /** The window [start, end) to read for the n bytes at offset of a file of `total` bytes. */
  window(offset: number, n: number, total: number): [start: number, end: number] {
    const gap = offset - this.#next;
    if (gap >= 0 && gap <= this.#size) this.#size = Math.min(this.#size * 2, most);
    else this.#size = least;
    const end = Math.min(total, offset + Math.max(n, this.#size));
    this.#next = end;
    return [offset, end];
  }
}
