import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sparseMap, unfold } from '../src/core/sparse.ts';

/** Where the headers of a tar's only entry end, by skipping what is known to precede it. */
function dataAt(tar: Uint8Array, one: boolean): number {
  const field = (at: number) => Number.parseInt(Buffer.from(tar.subarray(at + 124, at + 136)).toString(), 8);
  let at = 0;
  while (tar[at + 156] === 0x78) at += 512 + Math.ceil(field(at) / 512) * 512;
  const old = tar[at + 156] === 0x53;
  let more = old && tar[at + 482] !== 0;
  at += 512;
  for (; more; at += 512) more = tar[at + 504] !== 0;
  if (!one) return at;
  const lines = Buffer.from(tar.subarray(at)).toString('latin1').split('\n');
  const count = 1 + 2 * Number(lines[0]);
  return at + Math.ceil(lines.slice(0, count).join('\n').length / 512) * 512;
}

// GNU tar is the oracle: what it stores of a file with many holes is put together again.
test.each([
  ['gnu', []],
  ['pax 0.0', ['--sparse-version=0.0']],
  ['pax 0.1', ['--sparse-version=0.1']],
  ['pax 1.0', ['--sparse-version=1.0']],
])('a sparse file in the form %s reads as it was', (form, flags) => {
  const dir = mkdtempSync(join(tmpdir(), 'sparse-'));
  const file = join(dir, 'holes');
  const fd = openSync(file, 'w');
  for (let i = 0; i < 30; i++) writeSync(fd, `piece ${i}`, i * 131072 + 65536);
  ftruncateSync(fd, 31 * 131072);
  closeSync(fd);
  const format = form === 'gnu' ? 'gnu' : 'posix';
  const tar = execFileSync('tar', ['-cS', '-C', dir, `--format=${format}`, ...flags, 'holes'], {
    maxBuffer: 2 ** 26,
  });
  const want = readFileSync(file);
  rmSync(dir, { recursive: true });
  const at = dataAt(tar, form === 'pax 1.0');
  const map = sparseMap(tar.subarray(0, at));
  expect(map).not.toBeNull();
  expect(map?.length).toBe(30);
  expect(Buffer.from(unfold(tar.subarray(at), map ?? [], want.length)).equals(want)).toBe(true);
  expect(Buffer.from(unfold(tar.subarray(at), map ?? [], 70000)).equals(want.subarray(0, 70000))).toBe(true);
});

test('an ordinary file has no map, and a map that makes no sense is none', () => {
  const header = new Uint8Array(512);
  header[156] = 0x30;
  expect(sparseMap(header)).toBeNull();
  expect(sparseMap(new Uint8Array(0))).toBeNull();
  header[156] = 0x53;
  header.set(new TextEncoder().encode('00000001000\x0000000000010\x0000000000000\x0000000000010\x00'), 386);
  expect(sparseMap(header)).toBeNull();
});
