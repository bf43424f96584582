/**
 * Counts terminal bytes for the server's flow control: the server stops
 * sending while more than 128 KiB is not acknowledged. An acknowledgement goes
 * out for every 32 KiB shown, and when everything that came has been shown.
 */
export class Acks {
  #received = 0;
  #shown = 0;
  #acked = 0;
  #replay = 0;

  /** The server says how many bytes of replay follow from here; it may say so again later. */
  ready(bytes: number): void {
    this.#replay = this.#received + bytes;
  }

  /** Bytes came. */
  received(bytes: number): void {
    this.#received += bytes;
  }

  /** Bytes have reached the screen. The total to acknowledge, or null for not yet. */
  shown(bytes: number): number | null {
    this.#shown += bytes;
    if (this.#shown - this.#acked < 32 << 10 && this.#shown < this.#received) return null;
    this.#acked = this.#shown;
    return this.#acked;
  }

  /**
   * Whether what is on its way to the screen is the past. Programs ask
   * terminals questions; an answer to a question of the past would be typed
   * into the shell of today.
   */
  get replaying(): boolean {
    return this.#shown < this.#replay;
  }
}

/**
 * Whether a terminal said this by itself, asked by a program (attributes, status,
 * cursor, mode, colour, settings: ECMA-48 and xterm's control sequences), and
 * nobody typed it. F3 with Shift or Ctrl looks the same as a cursor's place.
 */
export function isAnswer(text: string): boolean {
  if (!text.startsWith('\u001b')) return false;
  return /^(?:\[[?>=]?[\d;]*(?:[cnRtu]|\$y)|[P\]])/.test(text.slice(1));
}
