import { Status } from './kinds.ts';

/** What a filter of the tree asks for; every condition has to hold. */
export interface Query {
  /** A piece of a name or path, in any case; "" for all. */
  text: string;
  /** A pattern instead of it, on the name or on the whole path without its first slash. */
  pattern: RegExp | null;
  wholePath: boolean;
  /** The pattern as bytes, where it is a glob on the name with * and ? alone: half a million names are matched as they lie. */
  glob: Uint8Array | null;
  /** Whether the pattern is no pattern: nothing is found then. */
  broken: boolean;
  /** The statuses to keep, empty for all. */
  is: number[];
  layer: number | null;
  least: number;
  most: number;
  setuid: boolean;
  /** A letter as ls and find know it: f d l c b p, "" for all. */
  type: string;
}

const statuses: Record<string, number> = {
  added: Status.added,
  changed: Status.changed,
  deleted: Status.deleted,
};
const units: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/**
 * Reads a filter: words with a colon are conditions, the rest is a piece of a
 * path, a glob (`*.so`, `usr/ ** /doc` without blanks) or a regular expression
 * between slashes.
 *
 *	is:added is:deleted layer:3 size:>1M size:<10k type:l is:setuid
 */
export function parseQuery(text: string): Query {
  const q: Query = {
    text: '',
    pattern: null,
    wholePath: false,
    glob: null,
    broken: false,
    is: [],
    layer: null,
    least: -1,
    most: Number.POSITIVE_INFINITY,
    setuid: false,
    type: '',
  };
  const rest: string[] = [];
  for (const word of text.trim().split(/\s+/)) if (!condition(q, word)) rest.push(word);
  const name = rest.join(' ');
  const regexp = /^\/(.+)\/(i?)$/.exec(name);
  if (regexp) {
    try {
      q.pattern = new RegExp(regexp[1], regexp[2]);
      q.wholePath = true;
    } catch {
      q.broken = true;
    }
  } else if (/[*?[\]]/.test(name)) {
    q.pattern = globPattern(name);
    q.wholePath = name.includes('/');
    q.broken = q.pattern === null;
    if (/^[^/[\]]+$/.test(name) && !name.includes('**')) q.glob = new TextEncoder().encode(name);
  } else q.text = name;
  return q;
}

function condition(q: Query, word: string): boolean {
  const m = /^(is|layer|size|type):(.+)$/i.exec(word);
  if (!m) return false;
  const value = m[2].toLowerCase();
  switch (m[1].toLowerCase()) {
    case 'is':
      if (value === 'setuid') q.setuid = true;
      else if (value in statuses) q.is.push(statuses[value]);
      else return false;
      return true;
    case 'layer':
      if (!/^\d+$/.test(value)) return false;
      q.layer = Number(value);
      return true;
    case 'type':
      if (!/^[fdlcbp]$/.test(value)) return false;
      q.type = value;
      return true;
    default: {
      const size = /^([<>]?)(\d+(?:\.\d+)?)([kmgt]?)b?$/.exec(value);
      if (!size) return false;
      const bytes = Number(size[2]) * units[size[3]];
      if (size[1] === '<') q.most = bytes;
      else q.least = bytes;
      return true;
    }
  }
}

const atom = String.raw`[\w\-,:;@#%&~=]|\\[dw.+*?()[\]{}|^$-]|\[(?:\w-\w|[\w.])+-?\]|[+*?]|\{\d+(?:,\d*)?\}`;
const slashless = new RegExp(`^(?:${atom}|\\((?:\\?:|(?!\\?))(?:${atom}|\\|)*\\))*(\\$)?$`);

/**
 * Where a pattern on the path may find what it says: in any one of the path's
 * names, since nothing in it is a slash or asks what stands beside; in the last
 * name alone, since it goes on to the end; or anywhere in the path.
 */
export function reachOf(pattern: RegExp): 'names' | 'last' | 'path' {
  const m = slashless.exec(pattern.source);
  if (!m) return 'path';
  return m[1] ? 'last' : 'names';
}

/** A glob as a regular expression: * and ? stay within a name, ** does not, [a-z] is a class. Null where a class is not closed. */
export function globPattern(glob: string): RegExp | null {
  let out = '';
  const text = glob.replace(/^\//, '');
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '*' && text[i + 1] === '*') {
      i += text[i + 2] === '/' ? 2 : 1;
      out += text[i] === '/' ? '(?:.*/)?' : '.*';
    } else if (c === '*') out += '[^/]*';
    else if (c === '?') out += '[^/]';
    else if (c === '[') {
      const end = text.indexOf(']', i + 2);
      if (end < 0) return null;
      const set = text
        .slice(i + 1, end)
        .replace(/\\/g, '\\\\')
        .replace(/^[!^]/, '^');
      out += `[${set}]`;
      i = end;
    } else out += c.replace(/[.+^${}()|\\\]]/, '\\$&');
  }
  try {
    return new RegExp(`^${out}$`);
  } catch {
    return null;
  }
}

const [star, any] = [0x2a, 0x3f];
const inside = (byte: number) => (byte & 0xc0) === 0x80;

/** Whether bytes[at, at+n), UTF-8, are wholly what a glob of * and ? says. */
export function globHits(bytes: Uint8Array, at: number, n: number, glob: Uint8Array): boolean {
  const end = at + n;
  let g = 0;
  let [backGlob, backAt] = [-1, 0];
  while (at < end) {
    if (g < glob.length && glob[g] === star) {
      [backGlob, backAt] = [++g, at];
    } else if (g < glob.length && glob[g] === any) {
      g++;
      at++;
      while (at < end && inside(bytes[at])) at++;
    } else if (g < glob.length && glob[g] === bytes[at]) {
      g++;
      at++;
    } else if (backGlob >= 0) {
      g = backGlob;
      at = ++backAt;
    } else return false;
  }
  while (g < glob.length && glob[g] === star) g++;
  return g === glob.length;
}

/** Whether a filter asks for anything. */
export function asks(q: Query): boolean {
  return (
    q.text !== '' ||
    q.pattern !== null ||
    q.broken ||
    q.is.length > 0 ||
    q.layer !== null ||
    q.least >= 0 ||
    q.most !== Number.POSITIVE_INFINITY ||
    q.setuid ||
    q.type !== ''
  );
}
