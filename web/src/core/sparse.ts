/** A piece of a sparse file that the tar holds: bytes [at, at + size) of the file. */
export interface Fragment {
  at: number;
  size: number;
}

const block = 512;
const text = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes);

/** A number in octal, or in base 256 where its first bit is set (GNU tar's manual, "Basic Tar Format"). */
function number(field: Uint8Array): number {
  if (field[0] & 0x80) return field.reduce((n, b, i) => n * 256 + (i === 0 ? b & 0x7f : b), 0);
  return Number.parseInt(text(field).replace(/[\0 ].*$/s, '') || '0', 8);
}

/**
 * Reads which pieces of a sparse file a tar holds, from the bytes between its
 * entry's first header and its content: GNU's old form and those of PAX 0.0,
 * 0.1 and 1.0 (GNU tar's manual, "Storing Sparse Files"). Null for a file
 * without holes, and for a map that makes no sense: it is shown as it is stored.
 */
export function sparseMap(header: Uint8Array): Fragment[] | null {
  const records = new Map<string, string>();
  const pairs: number[] = [];
  let old: Fragment[] | null = null;
  let at = 0;
  for (; at + block <= header.length; ) {
    const h = header.subarray(at, at + block);
    at += block;
    const kind = String.fromCharCode(h[156]);
    const size = number(h.subarray(124, 136));
    if (kind === 'x' || kind === 'L' || kind === 'K' || kind === 'g') {
      if (kind === 'x') readRecords(text(header.subarray(at, at + size)), records, pairs);
      at += Math.ceil(size / block) * block;
      continue;
    }
    if (kind === 'S') old = oldMap(header, at - block);
    break;
  }
  if (old) return old;
  if (records.get('GNU.sparse.major') === '1') return lineMap(text(header.subarray(at)));
  const map = records.get('GNU.sparse.map');
  const numbers = pairs.length > 0 ? pairs : map === undefined ? [] : map.split(',').map(Number);
  return map === undefined && pairs.length === 0 ? null : fragments(numbers);
}

function readRecords(body: string, records: Map<string, string>, pairs: number[]): void {
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(' ', at);
    const length = Number.parseInt(body.slice(at, space), 10);
    if (space < 0 || !(length > space - at)) return;
    const record = body.slice(space + 1, at + length - 1);
    const equal = record.indexOf('=');
    const name = record.slice(0, equal);
    if (name === 'GNU.sparse.offset' || name === 'GNU.sparse.numbytes')
      pairs.push(Number(record.slice(equal + 1)));
    else records.set(name, record.slice(equal + 1));
    at += length;
  }
}

/** Four pairs in the header, twenty-one in each block that follows while one says so. */
function oldMap(header: Uint8Array, at: number): Fragment[] | null {
  const numbers: number[] = [];
  const read = (from: number, pairs: number) => {
    for (let i = 0; i < pairs; i++) {
      const pair = header.subarray(from + i * 24, from + i * 24 + 24);
      if (pair.length < 24 || pair[0] === 0) return;
      numbers.push(number(pair.subarray(0, 12)), number(pair.subarray(12, 24)));
    }
  };
  read(at + 386, 4);
  let more = header[at + 482] !== 0;
  for (let next = at + block; more && next + block <= header.length; next += block) {
    read(next, 21);
    more = header[next + 504] !== 0;
  }
  return fragments(numbers);
}

/** Version 1.0: decimal numbers, a line each, the first says how many pairs. */
function lineMap(lines: string): Fragment[] | null {
  const [count, ...rest] = lines.split('\n', 1 + 2 * 65536).map(Number);
  return rest.length < count * 2 ? null : fragments(rest.slice(0, count * 2));
}

function fragments(numbers: number[]): Fragment[] | null {
  const out: Fragment[] = [];
  let end = 0;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const [at, size] = [numbers[i], numbers[i + 1]];
    if (!(at >= end && size >= 0)) return null;
    if (size > 0) out.push({ at, size });
    end = at + size;
  }
  return out;
}

/** The first `n` bytes of a file of which the tar holds these fragments, one behind the other; holes read as zeros. */
export function unfold(stored: Uint8Array, map: readonly Fragment[], n: number): Uint8Array {
  const out = new Uint8Array(n);
  let from = 0;
  for (const f of map) {
    if (f.at >= n) break;
    out.set(stored.subarray(from, from + Math.min(f.size, n - f.at)), f.at);
    from += f.size;
  }
  return out;
}
