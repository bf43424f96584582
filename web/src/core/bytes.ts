/** Reads the primitives of the binary index: varints as Go's encoding/binary writes them, strings, bytes. */
export class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError(`index ends early, at byte ${this.at}`);
    return this.bytes[this.at++];
  }

  /** An unsigned LEB128 number. Beyond 2^53 it would lose digits, so it is refused. */
  uvarint(): number {
    const { bytes } = this;
    let at = this.at;
    let b = bytes[at++];
    if (b < 0x80) {
      this.at = at;
      return b;
    }
    let value = b & 0x7f;
    let scale = 128;
    for (;;) {
      if (at >= bytes.length) throw new RangeError(`index ends early, at byte ${at}`);
      b = bytes[at++];
      value += (b & 0x7f) * scale;
      if (b < 0x80) break;
      scale *= 128;
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new RangeError(`number too large at byte ${this.at}`);
    this.at = at;
    return value;
  }

  /** A zig-zag signed number. */
  varint(): number {
    const u = this.uvarint();
    return u % 2 === 0 ? u / 2 : -(u + 1) / 2;
  }

  /** The next n bytes, as a view that shares memory. */
  take(n: number): Uint8Array {
    if (this.at + n > this.bytes.length) throw new RangeError(`index ends early, at byte ${this.at}`);
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }

  /** Steps over a string and returns where it begins; its length is `at` minus that. */
  skipString(): number {
    const n = this.uvarint();
    const start = this.at;
    if (start + n > this.bytes.length) throw new RangeError(`index ends early, at byte ${start}`);
    this.at = start + n;
    return start;
  }

  string(): Uint8Array {
    return this.take(this.uvarint());
  }
}
