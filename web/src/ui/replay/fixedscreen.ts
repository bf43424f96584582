import { Unicode11Addon } from '@xterm/addon-unicode11';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { styleSpansByCSSOM, withConstructedStyles } from '../../io/styles.ts';
import { themes } from '../screen.ts';

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
  readonly #watch: ResizeObserver;
  readonly #dropStyles: () => void;

  constructor(box: HTMLElement, isDark: boolean, cols: number, rows: number, typed: boolean) {
    this.#box = box;
    this.term = new Terminal({
      cols,
      rows,
      fontFamily: getComputedStyle(box).getPropertyValue('--mono'),
      fontSize: largest,
      lineHeight: 1.2,
      scrollback: 1000,
      cursorBlink: false,
      disableStdin: !typed,
      allowProposedApi: true,
      minimumContrastRatio: 4.5,
      theme: themes[isDark ? 'dark' : 'light'],
    });
    this.term.loadAddon(new Unicode11Addon());
    this.term.unicode.activeVersion = '11';
    styleSpansByCSSOM();
    this.#dropStyles = withConstructedStyles(() => this.term.open(box));
    this.#watch = new ResizeObserver(() => this.#fit());
    this.#watch.observe(box);
    // Widths are measured with the fallback font until the page's own is there.
    void document.fonts.load('13px "JetBrains Mono Variable"').then(() => {
      this.term.options.fontFamily = `${this.term.options.fontFamily} `;
      this.#fit();
    });
  }

  set dark(isDark: boolean) {
    this.term.options.theme = themes[isDark ? 'dark' : 'light'];
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
    this.#watch.disconnect();
    this.term.dispose();
    this.#dropStyles();
  }
}
