/** A field of a tar header block: where it stands and what it says (POSIX.1-2017, pax, "ustar Interchange Format"). */
export interface HeaderField {
  name: string;
  at: number;
  size: number;
  text: string;
}

const fields: readonly [string, number, number][] = [
  ['name', 0, 100],
  ['mode', 100, 8],
  ['uid', 108, 8],
  ['gid', 116, 8],
  ['size', 124, 12],
  ['mtime', 136, 12],
  ['chksum', 148, 8],
  ['typeflag', 156, 1],
  ['linkname', 157, 100],
  ['magic', 257, 6],
  ['version', 263, 2],
  ['uname', 265, 32],
  ['gname', 297, 32],
  ['devmajor', 329, 8],
  ['devminor', 337, 8],
  ['prefix', 345, 155],
];

/** Reads the fields of a header block that are not empty. */
export function headerFields(block: Uint8Array): HeaderField[] {
  const out: HeaderField[] = [];
  for (const [name, at, size] of fields) {
    const bytes = block.subarray(at, at + size);
    const end = bytes.indexOf(0);
    const text = String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end))).trim();
    if (text !== '') out.push({ name, at, size, text });
  }
  return out;
}
