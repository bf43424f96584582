import { expect, test } from 'vitest';
import { CatchUp } from '../src/core/catchup.ts';

/** A question that is answered, or fails, when it is told to. */
function question() {
  let answer: (now: string[]) => void = () => undefined;
  let fail: (cause: Error) => void = () => undefined;
  const asked = new Promise<string[]>((ok, no) => {
    [answer, fail] = [ok, no];
  });
  return { ask: () => asked, answer, fail };
}

const catchUp = () => new CatchUp<string[], string>((now, event) => [...now, event]);

test('an answer has what was told since it was asked for, and nothing from before', async () => {
  const state = catchUp();
  state.hear('before');
  const q = question();
  const now = state.ask(q.ask);
  state.hear('one');
  state.hear('two');
  q.answer(['known']);
  expect(await now).toEqual(['known', 'one', 'two']);
});

test('the answer to a question that a later one has overtaken is none, and so is its failure', async () => {
  const state = catchUp();
  const [slow, broken, quick] = [question(), question(), question()];
  const [first, second, third] = [slow, broken, quick].map((q) => state.ask(q.ask));
  quick.answer(['new']);
  expect(await third).toEqual(['new']);
  slow.answer(['old']);
  broken.fail(new Error('gone'));
  expect([await first, await second]).toEqual([null, null]);
});

test('answers in their order all count, and a failure is told while nothing newer is known', async () => {
  const state = catchUp();
  const [one, two] = [question(), question()];
  const [first, second] = [one, two].map((q) => state.ask(q.ask));
  one.answer(['first']);
  expect(await first).toEqual(['first']);
  two.fail(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
});

test('what is forgotten counts no more, what is asked for after it does', async () => {
  const state = catchUp();
  const [old, fresh] = [question(), question()];
  const first = state.ask(old.ask);
  state.forget();
  const second = state.ask(fresh.ask);
  old.answer(['old']);
  fresh.answer(['new']);
  expect([await first, await second]).toEqual([null, ['new']]);
});
