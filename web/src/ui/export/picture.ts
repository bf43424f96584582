import type { Picture, Shape } from '../../core/export/svg.ts';

// A picture of what stands on the page: its boxes, letters and glyphs, with the
// colours that they have now. One function for all views: what is seen is what
// is saved.

/** Takes a picture of an element, `title` as its name. */
export function pictureOf(element: HTMLElement, title: string): Picture {
  const margin = 8;
  const at = element.getBoundingClientRect();
  const camera = new Camera(at.left - margin, at.top - margin);
  return {
    width: at.width + 2 * margin,
    height: at.height + 2 * margin,
    background: camera.ground(element),
    title,
    shapes: camera.shapes(element),
  };
}

class Camera {
  readonly #left: number;
  readonly #top: number;
  readonly #range = document.createRange();
  readonly #brush: CanvasRenderingContext2D | null;
  readonly #known = new Map<string, string>();

  constructor(left: number, top: number) {
    this.#left = left;
    this.#top = top;
    const canvas = document.createElement('canvas');
    canvas.width = 1;
    canvas.height = 1;
    this.#brush = canvas.getContext('2d', { willReadFrequently: true });
  }

  /** A colour in the form that every reader of SVG knows; "" for one that is not seen. */
  colour(css: string): string {
    const known = this.#known.get(css);
    if (known !== undefined) return known;
    let out = css;
    if (this.#brush) {
      this.#brush.clearRect(0, 0, 1, 1);
      this.#brush.fillStyle = css;
      this.#brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = this.#brush.getImageData(0, 0, 1, 1).data;
      const hex = [r, g, b].map((n) => n.toString(16).padStart(2, '0')).join('');
      out = a === 0 ? '' : a === 255 ? `#${hex}` : `rgba(${r},${g},${b},${(a / 255).toFixed(2)})`;
    }
    this.#known.set(css, out);
    return out;
  }

  /** The colour that the element stands on. */
  ground(element: Element): string {
    for (let e: Element | null = element.parentElement; e; e = e.parentElement) {
      const found = this.colour(getComputedStyle(e).backgroundColor);
      if (found !== '') return found;
    }
    return '#ffffff';
  }

  shapes(element: Element): Shape[] {
    const style = getComputedStyle(element);
    const at = element.getBoundingClientRect();
    if (style.display === 'none' || style.visibility === 'hidden' || at.width === 0 || at.height === 0)
      return [];
    // What is there for screen readers alone.
    if (at.width <= 1 && at.height <= 1) return [];
    const place = { x: at.left - this.#left, y: at.top - this.#top, width: at.width, height: at.height };
    if (element instanceof SVGSVGElement) return this.#glyph(element, style, place);
    const own = this.#box(style, place);
    const inner = [...element.childNodes].flatMap((n) =>
      n instanceof Element ? this.shapes(n) : n instanceof Text ? this.#letters(n, style) : [],
    );
    if (style.overflowX === 'hidden' && inner.length > 0)
      return [...own, { kind: 'clip', ...place, shapes: inner }];
    return [...own, ...inner];
  }

  /** Ground and border; a border that is not all around is drawn side by side. */
  #box(style: CSSStyleDeclaration, place: { x: number; y: number; width: number; height: number }): Shape[] {
    const fill = this.colour(style.backgroundColor);
    const side = (width: string, line: string, colour: string) => {
      const thick = line === 'none' ? 0 : Number.parseFloat(width) || 0;
      return { thick, colour: thick > 0 ? this.colour(colour) : '' };
    };
    const top = side(style.borderTopWidth, style.borderTopStyle, style.borderTopColor);
    const right = side(style.borderRightWidth, style.borderRightStyle, style.borderRightColor);
    const bottom = side(style.borderBottomWidth, style.borderBottomStyle, style.borderBottomColor);
    const left = side(style.borderLeftWidth, style.borderLeftStyle, style.borderLeftColor);
    const plain = { stroke: '', thick: 0, dashed: false, round: 0 };
    const round = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, place.height / 2);
    const around = [right, bottom, left].every((s) => s.thick === top.thick && s.colour === top.colour);
    if (around) {
      if (fill === '' && top.colour === '') return [];
      const dashed = style.borderTopStyle === 'dashed';
      return [{ kind: 'box', ...place, fill, stroke: top.colour, thick: top.thick, dashed, round }];
    }
    const { x, y, width, height } = place;
    const out: Shape[] = fill === '' ? [] : [{ kind: 'box', ...place, ...plain, fill, round }];
    const bar = (colour: string, x: number, y: number, width: number, height: number) => {
      if (colour !== '') out.push({ kind: 'box', ...plain, fill: colour, x, y, width, height });
    };
    bar(top.colour, x, y, width, top.thick);
    bar(bottom.colour, x, y + height - bottom.thick, width, bottom.thick);
    bar(left.colour, x, y, left.thick, height);
    bar(right.colour, x + width - right.thick, y, right.thick, height);
    return out;
  }

  /** The glyphs and icons of the page: paths without a fill on a square grid. */
  #glyph(
    element: SVGSVGElement,
    style: CSSStyleDeclaration,
    place: { x: number; y: number; width: number; height: number },
  ): Shape[] {
    const fill = this.colour(style.backgroundColor);
    const out: Shape[] =
      fill === '' ? [] : [{ kind: 'box', ...place, fill, stroke: '', thick: 0, dashed: false, round: 3 }];
    const pad = Number.parseFloat(style.paddingLeft) || 0;
    const scale = (place.width - 2 * pad) / (element.viewBox.baseVal.width || 1);
    for (const path of element.querySelectorAll('path')) {
      const line = getComputedStyle(path);
      const stroke = this.colour(line.stroke === 'none' ? line.color : line.stroke);
      const thick = Number.parseFloat(line.strokeWidth) || 1;
      out.push({
        kind: 'path',
        x: place.x + pad,
        y: place.y + pad,
        scale,
        d: path.getAttribute('d') ?? '',
        stroke,
        thick,
      });
    }
    return out;
  }

  /** The lines of a text as the browser has broken them. */
  #letters(node: Text, style: CSSStyleDeclaration): Shape[] {
    const out: Extract<Shape, { kind: 'text' }>[] = [];
    const size = Number.parseFloat(style.fontSize);
    for (const { text, start } of this.#runs(node)) {
      this.#range.setStart(node, start);
      this.#range.setEnd(node, start + text.length);
      const at = this.#range.getBoundingClientRect();
      if (at.width === 0) continue;
      const x = at.left - this.#left;
      const y = at.bottom - this.#top - (at.height - size) / 2 - size * 0.2;
      const last = out.at(-1);
      if (last && Math.abs(last.y - y) < 1) {
        last.text += /\s/.test(node.data[start - 1] ?? '') ? ` ${text}` : text;
        last.width = x + at.width - last.x;
        continue;
      }
      const mono = /mono/i.test(style.fontFamily.split(',')[0]);
      const fill = this.colour(style.color);
      out.push({ kind: 'text', x, y, width: at.width, size, fill, weight: style.fontWeight, mono, text });
    }
    return out;
  }

  /** The words of a text; one that the browser has broken, letter by letter. */
  *#runs(node: Text): Generator<{ text: string; start: number }> {
    for (const word of node.data.matchAll(/\S+/g)) {
      this.#range.setStart(node, word.index);
      this.#range.setEnd(node, word.index + word[0].length);
      if (this.#range.getClientRects().length <= 1) {
        yield { text: word[0], start: word.index };
        continue;
      }
      let at = word.index;
      for (const letter of word[0]) {
        yield { text: letter, start: at };
        at += letter.length;
      }
    }
  }
}
