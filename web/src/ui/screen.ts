import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { type ITheme, Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { styleSpansByCSSOM, withConstructedStyles } from '../io/styles.ts';

const dark: ITheme = {
  background: '#14171a',
  foreground: '#e4e2dc',
  cursor: '#e4e2dc',
  cursorAccent: '#14171a',
  selectionBackground: '#4a5568aa',
  black: '#2b3037',
  red: '#ff7a93',
  green: '#6fce9f',
  yellow: '#e8bd6d',
  blue: '#78b3f0',
  magenta: '#cf9df0',
  cyan: '#5fcfd0',
  white: '#d4d1c9',
  brightBlack: '#7d838c',
  brightRed: '#ff9db0',
  brightGreen: '#93e3b9',
  brightYellow: '#f5d596',
  brightBlue: '#a2cdfa',
  brightMagenta: '#e2c1fb',
  brightCyan: '#92e6e5',
  brightWhite: '#faf8f2',
};

const light: ITheme = {
  background: '#ffffff',
  foreground: '#1b1c1e',
  cursor: '#1b1c1e',
  cursorAccent: '#ffffff',
  selectionBackground: '#9ec5f588',
  black: '#1b1c1e',
  red: '#b3123f',
  green: '#126b3a',
  yellow: '#7a5200',
  blue: '#1557a8',
  magenta: '#7b2f9e',
  cyan: '#05666d',
  white: '#62656c',
  brightBlack: '#4e5158',
  brightRed: '#c8325c',
  brightGreen: '#1c7c49',
  brightYellow: '#8a6008',
  brightBlue: '#2a6cc0',
  brightMagenta: '#8f45b3',
  brightCyan: '#107680',
  brightWhite: '#1b1c1e',
};

/** Colours of a terminal on a dark and on a light page. */
export const themes = { dark, light } as const;

/** What the keyboard asks of the page: to leave the terminal, to search in it. */
export interface Wishes {
  leave(): void;
  find(): void;
}

/** Whether WebGL is a graphics card's, and no program that plays one. */
function hasCard(): boolean {
  const gl = document.createElement('canvas').getContext('webgl2', { failIfMajorPerformanceCaveat: true });
  const names = gl?.getExtension('WEBGL_debug_renderer_info');
  const name = gl && names ? String(gl.getParameter(names.UNMASKED_RENDERER_WEBGL)) : '';
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return name !== '' && !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/** A terminal on the page: xterm.js with our colours, fitted to its box. Whoever makes it disposes it. */
export class Screen {
  readonly term: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #watch: ResizeObserver;
  readonly #dropStyles: (() => void)[] = [];
  #gone = false;

  constructor(box: HTMLElement, isDark: boolean, reader: boolean, wishes: Wishes) {
    this.term = new Terminal({
      fontFamily: getComputedStyle(box).getPropertyValue('--mono'),
      fontSize: 13,
      lineHeight: 1.25,
      scrollback: 5000,
      cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      macOptionIsMeta: true,
      allowProposedApi: true,
      minimumContrastRatio: 4.5,
      screenReaderMode: reader,
      theme: isDark ? dark : light,
    });
    this.term.loadAddon(this.#fit);
    this.term.loadAddon(this.#search);
    // The widths of today's wide characters and emoji.
    this.term.loadAddon(new Unicode11Addon());
    this.term.unicode.activeVersion = '11';
    styleSpansByCSSOM();
    this.#dropStyles.push(withConstructedStyles(() => this.term.open(box)));
    this.#watch = new ResizeObserver(() => this.fit());
    this.#watch.observe(box);
    void this.#draw();
    this.fit();
    // Widths are measured with the fallback font until the page's own is there.
    void document.fonts.load('13px "JetBrains Mono Variable"').then(() => {
      this.term.options.fontFamily = `${this.term.options.fontFamily} `;
      this.fit();
    });
    this.term.attachCustomKeyEventHandler((e) => this.#key(e, wishes));
  }

  set dark(isDark: boolean) {
    this.term.options.theme = isDark ? dark : light;
  }

  fit(): void {
    const size = this.#fit.proposeDimensions();
    if (size && size.cols > 1 && size.rows > 1) this.#fit.fit();
  }

  /** Lets the graphics card draw the letters where there is one: software that plays one is slower than the browser's own text. */
  async #draw(): Promise<void> {
    if (!hasCard()) return;
    const { WebglAddon } = await import('@xterm/addon-webgl');
    if (this.#gone) return;
    const addon = new WebglAddon();
    // The card may be taken away: the browser's text takes over.
    addon.onContextLoss(() => this.#dropStyles.push(withConstructedStyles(() => addon.dispose())));
    this.term.loadAddon(addon);
  }

  dispose(): void {
    this.#gone = true;
    this.#watch.disconnect();
    this.term.dispose();
    for (const drop of this.#dropStyles) drop();
  }

  /** Goes to the next place with a text, or the one before; "" ends the search. */
  find(text: string, forward: boolean): boolean {
    if (text === '') {
      this.#search.clearDecorations();
      this.term.clearSelection();
      return false;
    }
    return forward ? this.#search.findNext(text) : this.#search.findPrevious(text);
  }

  /** Ctrl-C copies where text is selected, else it interrupts; Ctrl-Shift-C and -V are the browser's; Ctrl-Shift-F searches; Shift-F6 leaves. */
  #key(e: KeyboardEvent, wishes: Wishes): boolean {
    if (e.type !== 'keydown') return true;
    if (e.key === 'F6' && e.shiftKey) {
      wishes.leave();
      return false;
    }
    if (!e.ctrlKey || e.altKey || e.metaKey) return true;
    const key = e.key.toLowerCase();
    if (key === 'f' && e.shiftKey) {
      wishes.find();
      e.preventDefault();
      return false;
    }
    if (key === 'c' && (e.shiftKey || this.term.hasSelection())) {
      if (this.term.hasSelection()) void navigator.clipboard.writeText(this.term.getSelection());
      this.term.clearSelection();
      e.preventDefault();
      return false;
    }
    return !(key === 'v' && e.shiftKey);
  }
}
