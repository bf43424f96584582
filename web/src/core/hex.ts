/** One line of a hex dump: address, sixteen bytes, their printable characters. */
export interface HexLine {
  at: string;
  bytes: string;
  text: string;
}

/** Dumps up to `lines` lines of sixteen bytes. */
export function hexLines(bytes: Uint8Array, lines: number): HexLine[] {
  const out: HexLine[] = [];
  for (let at = 0; at < bytes.length && out.length < lines; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const cells = row.map((b) => b.toString(16).padStart(2, '0'));
    out.push({
      at: at.toString(16).padStart(8, '0'),
      bytes: `${cells.slice(0, 8).join(' ')}  ${cells.slice(8).join(' ')}`.padEnd(48),
      text: row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '·')).join(''),
    });
  }
  return out;
}

/** The bytes as text, or null where they are not: a zero byte or broken UTF-8 in the first 64 KiB. */
export function asText(bytes: Uint8Array): string | null {
  const head = bytes.subarray(0, 65536);
  if (head.includes(0)) return null;
  try {
    // A cut in the middle of a character at the end of the window is no sign of binary data.
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
  } catch {
    return null;
  }
  return new TextDecoder().decode(bytes);
}
