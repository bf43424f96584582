const strict = new TextDecoder('utf-8', { fatal: true });
const hex = (b: number) => `%${b.toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * Words the bytes of a name. Names need not be UTF-8: what is not is
 * percent-escaped, as the command line does; control characters likewise, so
 * that a hostile name cannot rearrange what is on the screen.
 */
export function nameOf(bytes: Uint8Array): string {
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    text = '';
    for (const b of bytes) text += b >= 0x20 && b < 0x7f && b !== 0x25 ? String.fromCharCode(b) : hex(b);
    return text;
  }
  return /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(text) ? visible(text) : text;
}

/** Escapes control characters and those that change the direction of text. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (c) =>
    [...new TextEncoder().encode(c)].map(hex).join(''),
  );
}

/** The lower-case form of ASCII letters, byte for byte; other bytes stay. */
export function lowered(b: number): number {
  return b >= 0x41 && b <= 0x5a ? b | 0x20 : b;
}

/** Whether `needle` (already lowered) stands in bytes[at, at+n), ignoring ASCII case. */
export function contains(bytes: Uint8Array, at: number, n: number, needle: Uint8Array): boolean {
  const last = at + n - needle.length;
  outer: for (let i = at; i <= last; i++) {
    for (let j = 0; j < needle.length; j++) if (lowered(bytes[i + j]) !== needle[j]) continue outer;
    return true;
  }
  return false;
}

/** Whether bytes[at, at+n) begins (or ends, with `fromEnd`) with `needle`. */
export function touches(
  bytes: Uint8Array,
  at: number,
  n: number,
  needle: Uint8Array,
  fromEnd: boolean,
): boolean {
  if (needle.length > n) return false;
  const start = fromEnd ? at + n - needle.length : at;
  for (let j = 0; j < needle.length; j++) if (lowered(bytes[start + j]) !== needle[j]) return false;
  return true;
}
