import { Unicode11Addon } from '@xterm/addon-unicode11';
import { type ITerminalOptions, type ITheme, Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { styleSpansByCSSOM, withConstructedStyles } from '../io/styles.ts';

// What every terminal of the page has in common: xterm.js in our colours and
// letters. What it is fitted to is the business of who opens it.

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

/** The colours of a terminal on a dark or a light page; --terminal is their background. */
export const themeOf = (isDark: boolean): ITheme => (isDark ? dark : light);

/** What is opened in a box; whoever opens it calls `close` at the end. */
export interface Opened {
  term: Terminal;
  close(): void;
}

/** Opens a terminal in a box; `refit` is called when the box has another size, and when the page's own letters are there. */
export function openTerminal(
  box: HTMLElement,
  isDark: boolean,
  options: ITerminalOptions,
  refit: () => void,
): Opened {
  const term = new Terminal({
    ...options,
    fontFamily: getComputedStyle(box).getPropertyValue('--mono'),
    allowProposedApi: true,
    minimumContrastRatio: 4.5,
    theme: themeOf(isDark),
  });
  // The widths of today's wide characters and emoji.
  term.loadAddon(new Unicode11Addon());
  term.unicode.activeVersion = '11';
  styleSpansByCSSOM();
  const dropStyles = withConstructedStyles(() => term.open(box));
  const watch = new ResizeObserver(refit);
  watch.observe(box);
  // Widths are measured with the fallback font until the page's own is there.
  void document.fonts.load('13px "JetBrains Mono Variable"').then(() => {
    term.options.fontFamily = `${term.options.fontFamily} `;
    refit();
  });
  return {
    term,
    close() {
      watch.disconnect();
      term.dispose();
      dropStyles();
    },
  };
}
