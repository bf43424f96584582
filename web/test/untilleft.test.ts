import { expect, test } from 'vitest';
import { untilLeft } from '../src/ui/untilleft.ts';

/** What is heard of a promise by one who stays, and by one who leaves before it is kept. */
async function heard(settle: (ok: (v: string) => void, fail: (e: Error) => void) => void, stays: boolean) {
  const out: string[] = [];
  let [ok, fail]: [(v: string) => void, (e: Error) => void] = [() => undefined, () => undefined];
  const asked = new Promise<string>((a, b) => {
    [ok, fail] = [a, b];
  });
  const leave = untilLeft(
    asked,
    (v) => out.push(v),
    (cause) => out.push(String(cause)),
  );
  if (!stays) leave();
  settle(ok, fail);
  await asked.catch(() => undefined);
  return out;
}

test('an answer reaches who stays and nobody else, a refusal likewise', async () => {
  expect(await heard((ok) => ok('came'), true)).toEqual(['came']);
  expect(await heard((ok) => ok('came'), false)).toEqual([]);
  expect(await heard((_, fail) => fail(new Error('no')), true)).toEqual(['Error: no']);
  expect(await heard((_, fail) => fail(new Error('no')), false)).toEqual([]);
});
