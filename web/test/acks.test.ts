import { expect, test } from 'vitest';
import { Acks, isAnswer } from '../src/core/acks.ts';

test('an acknowledgement goes out for every 32 KiB shown, and when all that came is shown', () => {
  const acks = new Acks();
  acks.received(40 << 10);
  acks.received(10);
  expect(acks.shown(20 << 10)).toBeNull();
  expect(acks.shown(20 << 10)).toBe(40 << 10);
  expect(acks.shown(10)).toBe((40 << 10) + 10);
});

test('it is the past until the bytes that were told have been shown', () => {
  const acks = new Acks();
  acks.received(5);
  acks.ready(20);
  acks.received(20);
  acks.shown(24);
  expect(acks.replaying).toBe(true);
  acks.shown(1);
  expect(acks.replaying).toBe(false);
});

const answers: Record<string, string> = {
  attributes: '\x1b[?1;2c',
  'secondary attributes': '\x1b[>0;276;0c',
  status: '\x1b[0n',
  'place of the cursor': '\x1b[24;80R',
  'the same, by page': '\x1b[?24;80R',
  mode: '\x1b[?2026;2$y',
  'size of the window': '\x1b[8;24;80t',
  colour: '\x1b]11;rgb:0000/0000/0000\x1b\\',
  settings: '\x1bP1$r0m\x1b\\',
};
test.each(Object.entries(answers))('a terminal says its %s by itself', (_, text) => {
  expect(isAnswer(text)).toBe(true);
});

const keys: Record<string, string> = {
  letter: 'a',
  ideographs: '你好',
  Enter: '\r',
  Escape: '\x1b',
  'Ctrl-C': '\x03',
  'arrow up': '\x1b[A',
  'Ctrl-Right': '\x1b[1;5C',
  Home: '\x1b[H',
  Delete: '\x1b[3~',
  F1: '\x1bOP',
  'Alt-b': '\x1bb',
  'Shift-Tab': '\x1b[Z',
  'Alt-Backspace': '\x1b\x7f',
  'a paste': '\x1b[200~some text\x1b[201~',
  'a turn of the wheel': '\x1b[<64;10;5M',
};
test.each(Object.entries(keys))('somebody typed: %s', (_, text) => {
  expect(isAnswer(text)).toBe(false);
});
