/** A picture as shapes, in pixels of the page. */
export type Shape =
  | {
      kind: 'box';
      x: number;
      y: number;
      width: number;
      height: number;
      fill: string;
      stroke: string;
      thick: number;
      dashed: boolean;
      round: number;
    }
  | {
      kind: 'text';
      x: number;
      y: number;
      width: number;
      size: number;
      fill: string;
      weight: string;
      mono: boolean;
      text: string;
    }
  | { kind: 'path'; x: number; y: number; scale: number; d: string; stroke: string; thick: number }
  /** What lies outside of its box is not seen. */
  | { kind: 'clip'; x: number; y: number; width: number; height: number; shapes: Shape[] };

export interface Picture {
  width: number;
  height: number;
  background: string;
  title: string;
  shapes: Shape[];
}

/** Writes a picture as an SVG file that needs no other: no script, no style sheet, no font. */
export function svg(p: Picture): string {
  const size = `width="${round(p.width)}" height="${round(p.height)}" viewBox="0 0 ${round(p.width)} ${round(p.height)}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>`,
    `<title>${xml(p.title)}</title>`,
    `<rect width="100%" height="100%" fill="${xml(p.background)}"/>`,
    ...p.shapes.map(draw),
    '</svg>\n',
  ].join('\n');
}

const round = (n: number) => Math.round(n * 100) / 100;

// What XML does not allow at all is left out: names in images are anybody's.
const forbidden = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

export function xml(text: string): string {
  return text
    .replace(forbidden, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function draw(s: Shape): string {
  switch (s.kind) {
    case 'box': {
      const line =
        s.stroke === ''
          ? ''
          : ` stroke="${xml(s.stroke)}" stroke-width="${round(s.thick)}"${s.dashed ? ' stroke-dasharray="4 3"' : ''}`;
      return `<rect x="${round(s.x)}" y="${round(s.y)}" width="${round(s.width)}" height="${round(s.height)}" rx="${round(s.round)}" fill="${xml(s.fill || 'none')}"${line}/>`;
    }
    case 'text': {
      const family = s.mono
        ? "'JetBrains Mono', ui-monospace, monospace"
        : "Inter, 'Noto Sans CJK SC', system-ui, sans-serif";
      // As wide as on the page, whatever font the reader has.
      return `<text x="${round(s.x)}" y="${round(s.y)}" font-family="${xml(family)}" font-size="${round(s.size)}" font-weight="${xml(s.weight)}" fill="${xml(s.fill)}" textLength="${round(s.width)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${xml(s.text)}</text>`;
    }
    case 'path':
      return `<path transform="translate(${round(s.x)} ${round(s.y)}) scale(${round(s.scale)})" d="${xml(s.d)}" fill="none" stroke="${xml(s.stroke)}" stroke-width="${round(s.thick)}" stroke-linecap="round" stroke-linejoin="round"/>`;
    case 'clip': {
      const box = `${round(s.x)} ${round(s.y)} ${round(s.width)} ${round(s.height)}`;
      return `<svg x="${round(s.x)}" y="${round(s.y)}" width="${round(s.width)}" height="${round(s.height)}" viewBox="${box}" overflow="hidden">\n${s.shapes.map(draw).join('\n')}\n</svg>`;
    }
  }
}
