/** A value of a cell; null is an empty one. */
export type Cell = string | number | boolean | null;

// What spreadsheets take for a formula. A name in an image is anybody's.
const formula = /^[=+\-@\t\r]/;

/** A cell as RFC 4180 has it; a text that begins like a formula gets a quote before it. */
export function csvCell(value: Cell): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** How many characters a piece of a file has at least, but for the last. */
const piece = 64 << 10;

/** Lines in pieces that are worth sending, with how many lines each holds. */
export function* pieces(lines: Iterable<readonly Cell[]>): Generator<{ text: string; lines: number }> {
  let text: string[] = [];
  let size = 0;
  for (const cells of lines) {
    const line = csvLine(cells);
    text.push(line);
    size += line.length;
    if (size >= piece) {
      yield { text: text.join(''), lines: text.length };
      text = [];
      size = 0;
    }
  }
  if (text.length > 0) yield { text: text.join(''), lines: text.length };
}

/** The name of a file that is made of an image. */
export function fileName(image: { id: string; refs?: readonly string[] | null }, what: string): string {
  const name = image.refs?.[0] ?? image.id.replace(/^sha256:/, '').slice(0, 12);
  return `${name.replaceAll(/[^\w.-]+/g, '_').replace(/^[.-]+/, '')}-${what}`;
}
