import type { Terminal } from '@xterm/xterm';
import { openTerminal, themeOf } from '../xterm.ts';

const largest = 14;
const smallest = 6;

/**
 * A terminal that has the size of another one: its letters become as small as
 * they must for a line to fit into the box; what still does not fit is scrolled
 * to. Whoever makes it disposes it.
 */
export class FixedScreen {
  readonly term: Terminal;
  readonly #box: HTMLElement;
  readonly #close: () => void;

  constructor(box: HTMLElement, isDark: boolean, cols: number, rows: number, typed: boolean) {
    this.#box = box;
    const options = {
      cols,
      rows,
      fontSize: largest,
      lineHeight: 1.2,
      scrollback: 1000,
      cursorBlink: false,
      disableStdin: !typed,
    };
    const { term, close } = openTerminal(box, isDark, options, () => this.#fit());
    this.term = term;
    this.#close = close;
  }

  set dark(isDark: boolean) {
    this.term.options.theme = themeOf(isDark);
  }

  /** Takes a new size, in order with what is still on its way to the screen. */
  resize(cols: number, rows: number): void {
    this.term.write('', () => {
      this.term.resize(cols, rows);
      this.#fit();
    });
  }

  #fit(): void {
    const screen = this.#box.querySelector<HTMLElement>('.xterm-screen');
    const now = this.term.options.fontSize ?? largest;
    if (!screen || screen.offsetWidth === 0) return;
    const letter = screen.offsetWidth / this.term.cols / now;
    // Room for the scroll bar.
    const fits = Math.floor(((this.#box.clientWidth - 18) / this.term.cols / letter) * 2) / 2;
    const size = Math.max(smallest, Math.min(largest, fits));
    if (size !== now) this.term.options.fontSize = size;
  }

  dispose(): void {
    this.#close();
  }
}
