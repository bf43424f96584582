import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import type { IMarker, Terminal } from '@xterm/xterm';
import { withConstructedStyles } from '../io/styles.ts';
import { openTerminal, themeOf } from './xterm.ts';

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
  readonly #close: () => void;
  readonly #dropStyles: (() => void)[] = [];
  /** The line of the place that was found, and how far below the view's top it stands. */
  #held: { line: IMarker; below: number } | null = null;
  #gone = false;

  constructor(box: HTMLElement, isDark: boolean, reader: boolean, wishes: Wishes) {
    const options = {
      fontSize: 13,
      lineHeight: 1.25,
      scrollback: 5000,
      cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      macOptionIsMeta: true,
      screenReaderMode: reader,
    };
    const { term, close } = openTerminal(box, isDark, options, () => this.fit());
    this.term = term;
    this.#close = close;
    this.term.loadAddon(this.#fit);
    this.term.loadAddon(this.#search);
    void this.#draw();
    this.fit();
    this.term.attachCustomKeyEventHandler((e) => this.#key(e, wishes));
    this.term.onWriteParsed(() => this.#hold());
    // Who turns the wheel, presses or types goes elsewhere.
    for (const own of ['wheel', 'pointerdown', 'keydown'])
      box.addEventListener(own, () => this.#letGo(), { passive: true });
  }

  set dark(isDark: boolean) {
    this.term.options.theme = themeOf(isDark);
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
    this.#close();
    for (const drop of this.#dropStyles) drop();
  }

  /**
   * Goes to the next place with a text, or the one before, from where the reader
   * is, and stays there while more is written; "" ends the search.
   */
  find(text: string, forward: boolean): boolean {
    this.#letGo();
    if (text === '') {
      this.#search.clearDecorations();
      this.term.clearSelection();
      return false;
    }
    const { term } = this;
    const { active } = term.buffer;
    const from = term.getSelectionPosition()?.start.y ?? -1;
    let onward = forward;
    if (from < active.viewportY || from >= active.viewportY + term.rows) {
      // Nothing is found yet in what is seen. At its end, all there is to find is older.
      onward = forward && active.viewportY < active.baseY;
      if (onward) term.select(0, active.viewportY, 0);
      else term.select(term.cols, active.viewportY + term.rows - 1, 0);
    }
    const found = onward ? this.#search.findNext(text) : this.#search.findPrevious(text);
    const at = term.getSelectionPosition()?.start.y;
    if (!found || at === undefined) return found;
    const line = term.registerMarker(at - active.baseY - active.cursorY);
    // A program that has the whole screen has no lines that scroll.
    this.#held = line ? { line, below: at - active.viewportY } : null;
    return found;
  }

  /** Keeps what was found where it stands. A view at the end follows what is written; one step up, it does not any more. */
  #hold(): void {
    if (!this.#held) return;
    const { line, below } = this.#held;
    if (line.isDisposed || !this.term.hasSelection()) {
      this.#letGo();
      return;
    }
    const { viewportY, baseY } = this.term.buffer.active;
    const top = Math.max(0, line.line - below);
    if (viewportY === baseY && top < viewportY) this.term.scrollToLine(top);
  }

  #letGo(): void {
    this.#held?.line.dispose();
    this.#held = null;
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
