import { expect, test } from 'vitest';
import { boxAt, type Place } from '../src/core/boxes.ts';

const box = (x0: number, y0: number, x1: number, y1: number): Place => ({ x0, y0, x1, y1 });
// A group with two boxes in it, and another group with one beside it.
const boxes = [
  box(0, 0, 300, 200),
  box(2, 18, 150, 198),
  box(150, 18, 298, 198),
  box(300, 0, 500, 200),
  box(302, 18, 498, 198),
];

test.each([
  [0, 'ArrowDown', 1],
  [1, 'ArrowRight', 2],
  [2, 'ArrowRight', 4],
  [4, 'ArrowUp', 3],
  [3, 'ArrowLeft', 2],
  [2, 'ArrowLeft', 1],
  [1, 'ArrowLeft', 0],
  [0, 'ArrowUp', 0],
  [4, 'ArrowRight', 4],
  [4, 'Home', 0],
  [0, 'End', 4],
  [0, 'Enter', null],
  [0, 'constructor', null],
])('from box %i the key %s leads to %j', (from, key, to) => expect(boxAt(boxes, from, key)).toBe(to));
