const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units with three digits, as docker prints them: 1.38 MB. */
export function size(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? '−' : ''}${value.toFixed(digits)} ${units[unit]}`;
}

/** Bytes that came or went, with their sign: +1.38 MB, −12 B, 0. */
export function signed(bytes: number): string {
  if (bytes === 0) return '0';
  return bytes > 0 ? `+${size(bytes)}` : size(bytes);
}

/** Whole numbers with thin separators, the same in every language: 1 523 200. */
export function count(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** "sha256:1a2b3c4d5e6f…" as twelve hexadecimal digits. */
export function short(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

const letters = ['?', '-', 'd', 'l', 'c', 'b', 'p', 'w'];

const threes = ['---', '--x', '-w-', '-wx', 'r--', 'r-x', 'rw-', 'rwx'];
const three = (mode: number) => threes[mode & 7];

/** Permission bits in the manner of ls: drwxr-sr-t. `kind` is the index's kind. */
export function modeText(kind: number, mode: number): string {
  if ((mode & 0o7000) === 0)
    return (letters[kind] ?? '?') + three(mode >> 6) + three(mode >> 3) + three(mode);
  const bits = [...(three(mode >> 6) + three(mode >> 3) + three(mode))];
  const special = (bit: number, at: number, set: string) => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? set : set.toUpperCase();
  };
  special(0o4000, 2, 's');
  special(0o2000, 5, 's');
  special(0o1000, 8, 't');
  return (letters[kind] ?? '?') + bits.join('');
}

/** Seconds since 1970 as "2018-12-28 15:04:05", in UTC, like the archive has it. */
export function utc(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? '—' : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** The same without the time of day, for narrow columns. */
export function day(seconds: number): string {
  return utc(seconds).slice(0, 10);
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31557600],
  ['month', 2629800],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
];

/** "3 hours ago" in the reader's language; times that mean nothing (year 1, 1970) give "". */
export function ago(iso: string, now: number, locale: string): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then) || then < 86400_000 * 366) return '';
  const seconds = (then - now) / 1000;
  const words = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return words.format(0, 'second');
}

/** "2 minutes" in the reader's language: the largest whole unit; less than a minute in seconds. */
export function lasting(milliseconds: number, locale: string): string {
  const seconds = milliseconds / 1000;
  const [unit, length] = steps.find(([, l]) => seconds >= l) ?? ['second', 1];
  const value =
    unit === 'second' && seconds < 10 ? Math.round(seconds * 10) / 10 : Math.trunc(seconds / length);
  return new Intl.NumberFormat(locale, { style: 'unit', unit: `${unit}`, unitDisplay: 'long' }).format(value);
}
