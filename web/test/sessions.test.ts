import { expect, test } from 'vitest';
import { added, alone, chosen, closed, restored, seen, splitted } from '../src/core/sessions.ts';

const two = added(alone, { id: 'e1', title: 'sh' });
const three = added(two, { id: 'e2', title: 'top' });

test('a new terminal is looked at', () => expect(seen(two)).toEqual(['e1']));

test('split shows two, and back', () => {
  expect(splitted(alone)).toBe(alone);
  const s = splitted(two);
  expect(seen(s)).toEqual(['e1', '']);
  expect(seen(chosen(s, ''))).toEqual(['', 'e1']);
  expect(seen(splitted(s))).toEqual(['e1']);
  expect(seen(added(s, { id: 'e9', title: 'x' }))).toEqual(['e9', 'e1']);
});

test('closing falls back to a neighbour, and never closes the command’s own', () => {
  expect(seen(closed(three, 'e2'))).toEqual(['e1']);
  expect(seen(closed(splitted(two), 'e1'))).toEqual(['']);
  expect(seen(closed(splitted(three), 'e2'))).toEqual(['e1', '']);
  expect(closed(three, '')).toBe(three);
});

test('what was kept is taken over when it makes sense', () => {
  expect(restored(JSON.stringify(three))).toEqual(three);
  for (const bad of [null, '', '{}', '{"list":[]}', JSON.stringify({ ...three, current: 'gone' })])
    expect(restored(bad)).toBe(alone);
});
