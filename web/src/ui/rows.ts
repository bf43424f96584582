import type { ImageIndex } from '../core/index.ts';
import { type Mark, type RowText, rowText } from '../core/row.ts';
import type { View } from '../core/tree.ts';
import { glyphs, icons } from './icons.ts';
import './rows.css';

// The rows of the tree. While half a million paths fly past, each frame writes a
// screen full of rows anew: they are made once, written to with nothing in
// between, and only where a text or a mark differs.

/** The height of a row in pixels, as --row has it. */
export const rowHeight = 28;

/** Words in the page's language. */
export type Say = (key: `status.${Mark}` | 'tree.opaque' | 'tree.whiteout' | 'tree.below') => string;

/** What a row shows beside its path's own facts; `at` is its place from the top. */
export interface RowState {
  at: number;
  cursor: boolean;
  selected: boolean;
  open: boolean;
  /** By which of two names the row flashes where its path was touched; by turns, so that each step begins anew. */
  flash: '' | 'one' | 'two';
  language: string;
}

const svg = 'http://www.w3.org/2000/svg';

function drawing(path: string): SVGSVGElement {
  const out = document.createElementNS(svg, 'svg');
  out.setAttribute('aria-hidden', 'true');
  out.setAttribute('viewBox', '0 0 16 16');
  out.append(document.createElementNS(svg, 'path'));
  out.firstElementChild?.setAttribute('d', path);
  return out;
}

/** A piece of text in a row; where it is fleeting, it is there only while it says something. */
class Cell {
  readonly element = document.createElement('span');
  readonly #text = document.createTextNode('');
  readonly #into: Element;
  readonly #fleeting: boolean;
  #said = '';

  constructor(className: string, into: Element, fleeting: boolean) {
    this.element.className = className;
    this.element.append(this.#text);
    this.#into = into;
    this.#fleeting = fleeting;
    if (!fleeting) into.append(this.element);
  }

  say(text: string): void {
    if (text === this.#said) return;
    if (this.#fleeting && this.#said === '') this.#into.append(this.element);
    this.#text.data = text;
    this.#said = text;
    if (this.#fleeting && text === '') this.element.remove();
  }
}

export class Row {
  readonly element = document.createElement('div');
  /** The node that it shows, -1 for none. */
  node = -1;
  #view: View | null = null;
  #state: RowState = { at: -1, cursor: false, selected: false, open: false, flash: '', language: '' };
  readonly #picture = drawing('');
  readonly #status: Cell;
  readonly #name: Cell;
  readonly #target: Cell;
  readonly #tag: Cell;
  readonly #below: Cell;
  readonly #columns: Cell[];
  /** The attributes as they were written last. */
  readonly #written = new Map<string, string>();
  #drawn = '';
  #depth = -1;

  constructor() {
    const e = this.element;
    e.setAttribute('role', 'treeitem');
    e.tabIndex = -1;
    const fold = document.createElement('span');
    fold.className = 'fold';
    fold.append(drawing(icons.chevron));
    e.append(fold, this.#picture);
    this.#status = new Cell('visually-hidden', e, false);
    this.#name = new Cell('text', e, false);
    this.#target = new Cell('target', this.#name.element, true);
    this.#tag = new Cell('tag', this.#name.element, true);
    this.#below = new Cell('visually-hidden', e, true);
    this.#columns = ['size num', 'mode', 'owner num', 'layer num', 'time num'].map(
      (c) => new Cell(c, e, false),
    );
  }

  /** Writes what the view says of a node; each step of the slider has a view of its own. */
  write(index: ImageIndex, view: View, node: number, state: RowState, say: Say): void {
    if (node === this.node && view === this.#view && same(state, this.#state)) return;
    const row = rowText(index, view, node);
    const below = row.below && !state.open && row.mark === '';
    this.#place(state.at, index.depth[node]);
    this.node = node;
    this.#view = view;
    this.#state = state;
    this.#put('id', `node-${node}`);
    this.#put('class', classes(row, state, below));
    this.#put('aria-level', `${index.depth[node]}`);
    this.#put('aria-expanded', row.folder ? `${state.open}` : '');
    this.#put('aria-selected', `${state.selected}`);
    this.#draw(row);
    this.#status.say(row.mark && say(`status.${row.mark}`));
    const tag = row.opaque ? say('tree.opaque') : row.whiteout ? say('tree.whiteout') : '';
    this.#name.say(tag ? `${row.name} ` : row.name);
    this.#target.say(row.target && `\u00a0→ ${row.target}`);
    this.#tag.say(tag);
    this.#below.say(below ? say('tree.below') : '');
    const texts = [row.size, row.mode, row.owner, `${row.layer}`, row.time];
    for (let i = 0; i < texts.length; i++) this.#columns[i].say(texts[i]);
  }

  hide(on: boolean): void {
    if (on === this.element.hidden) return;
    this.element.hidden = on;
    if (on) {
      this.node = -1;
      this.#put('id', '');
    }
  }

  #place(at: number, depth: number): void {
    const { style } = this.element;
    if (at !== this.#state.at) style.top = `${at * rowHeight}px`;
    if (depth !== this.#depth) style.setProperty('--depth', `${depth - 1}`);
    this.#depth = depth;
  }

  /** Sets an attribute, or takes it away where it is empty. */
  #put(name: string, value: string): void {
    if (this.#written.get(name) === value) return;
    this.#written.set(name, value);
    if (value === '') this.element.removeAttribute(name);
    else this.element.setAttribute(name, value);
  }

  #draw(row: RowText): void {
    const path = row.mark ? glyphs[row.mark] : icons[row.shape];
    if (path === this.#drawn) return;
    this.#drawn = path;
    this.#picture.setAttribute('class', row.mark ? `glyph ${row.mark}` : 'kind');
    this.#picture.setAttribute('viewBox', row.mark ? '0 0 14 14' : '0 0 16 16');
    this.#picture.firstElementChild?.setAttribute('d', path);
  }
}

function classes(row: RowText, state: RowState, below: boolean): string {
  let out = 'row';
  if (row.mark) out += state.flash ? ` ${row.mark} flash-${state.flash}` : ` ${row.mark}`;
  if (row.folder) out += state.open ? ' folder open' : ' folder';
  if (row.parent) out += ' parent';
  if (row.opaque) out += ' opaque';
  if (below) out += ' below';
  if (state.cursor) out += ' cursor';
  if (state.selected) out += ' selected';
  return out;
}

function same(a: RowState, b: RowState): boolean {
  return (
    a.at === b.at &&
    a.cursor === b.cursor &&
    a.selected === b.selected &&
    a.open === b.open &&
    a.flash === b.flash &&
    a.language === b.language
  );
}

/** The rows of a window onto a list: one that leaves at one end comes in again at the other. */
export class Rows {
  readonly #into: Element;
  #ring: Row[] = [];
  #first = 0;
  /** How far the ring is turned: place 0 lies in its row of that number. */
  #turn = 0;

  constructor(into: Element) {
    this.#into = into;
  }

  /** Shows the places from `first` to before `last`, which are at most `most`, as `write` writes each. */
  show(first: number, last: number, most: number, write: (row: Row, at: number) => void): void {
    while (this.#ring.length < most) {
      const row = new Row();
      this.#ring.push(row);
      this.#into.append(row.element);
    }
    while (this.#ring.length > most) this.#ring.pop()?.element.remove();
    // After a jump each row has its place among those in sight again: none is shown or hidden, or put elsewhere in the document.
    if (Math.abs(first - this.#first) >= most) this.#turn = (this.#turn + this.#first - first) % most;
    this.#first = first;
    for (let at = first; at < first + most; at++) {
      const row = this.#at(at);
      row.hide(at >= last);
      if (at < last) write(row, at);
    }
  }

  /** Puts the rows into the order in which they are seen, for those who hear them. */
  order(first: number): void {
    const { length } = this.#ring;
    for (let at = first + length - 1, next: Element | null = null; at >= first; at--) {
      const { element }: Row = this.#at(at);
      if (element.nextElementSibling !== next) this.#into.insertBefore(element, next);
      next = element;
    }
  }

  #at(place: number): Row {
    const { length } = this.#ring;
    return this.#ring[(((place + this.#turn) % length) + length) % length];
  }

  /** The row that an element lies in. */
  of(element: Element): Row | undefined {
    const row = element.closest('.row');
    return this.#ring.find((r) => r.element === row);
  }
}
