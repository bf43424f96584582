import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { uploadHint } from '../src/core/uploadhint.ts';
import { en } from '../src/messages/en.ts';
import { zh } from '../src/messages/zh.ts';

const hints = Object.keys(en).flatMap((key) => /^hint\.(.+)$/.exec(key)?.[1] ?? []);
const codes = Object.keys(en).flatMap((key) => /^code\.(.+)$/.exec(key)?.[1] ?? []);

test('each hint is for an error that is worded', () => {
  const given = new Set(codes.map((code) => uploadHint(code).name));
  expect(hints.filter((name) => !given.has(name))).toEqual([]);
});

test('what lifts a limit is a flag of serve', () => {
  const options = readFileSync(
    new URL('../../cmd/layerlab/internal/cli/options.go', import.meta.url),
    'utf8',
  );
  const flags = codes.flatMap((code) => /^--([\w-]+) /.exec(uploadHint(code).args.flag)?.[1] ?? []);
  expect(flags).toHaveLength(4);
  for (const flag of flags) expect(options).toContain(`"${flag}"`);
});

test.each([
  ['archive-too-large', 'limit', '--limit-archive SIZE'],
  ['bad-zstd', 'damaged', ''],
  ['not-an-archive', 'form', ''],
  ['disk-full', 'disk-full', ''],
])('%s: hint.%s %s', (code, name, flag) => {
  expect(uploadHint(code)).toEqual({ name, args: { flag } });
});

test('hints differ in the two languages', () => {
  for (const name of hints)
    expect((zh as Record<string, string>)[`hint.${name}`]).not.toBe(
      (en as Record<string, string>)[`hint.${name}`],
    );
});
