// Run with `npx vitest bench --run`. What a step of the slider costs the main
// thread on the largest image that the page takes.
import { bench, describe } from 'vitest';
import { decodeIndex } from '../src/core/index.ts';
import { prepare } from '../src/core/prepare.ts';
import { reveal, rows } from '../src/core/rowlist.ts';
import { Stepper } from '../src/core/steps.ts';
import { filter, view } from '../src/core/tree.ts';
import { encode, root } from './encode.ts';

function half(): Uint8Array {
  const nodes = [root];
  for (let i = 0; i < 1000; i++) {
    nodes.push({ depth: 1, name: `d${i}`, versions: [{ kind: 'dir', layer: i % 20, mode: 0o755 }] });
    for (let k = 0; k < 499; k++) {
      nodes.push({
        depth: 2,
        name: `file-${k}.txt`,
        versions: [{ kind: 'file', layer: i % 20, size: k, data: k * 512, offset: k * 512, mtime: 1e9 }],
      });
    }
  }
  return encode(20, nodes);
}

const bytes = half();
const index = decodeIndex(bytes);
const merged = view(index, 'merged', 10);

describe('500,000 nodes', () => {
  bench('in the worker: prepare', () => void prepare(bytes));
  let layer = 10;
  const stepper = new Stepper(index);
  bench('a step of the slider: view, reveal, rows', () => {
    layer = (layer + 1) % 20;
    const v = stepper.view('merged', layer);
    const open = reveal(index, v, 50);
    rows(index, v, (n) => open.has(n), null);
  });
  const far = new Stepper(index);
  bench('a step over seven layers', () => {
    layer = (layer + 7) % 20;
    far.view('merged', layer);
  });
  bench('the first view', () => void view(index, 'merged', 10));
  bench('a step from layer to layer alone', () => {
    layer = (layer + 1) % 20;
    stepper.view('only', layer);
  });
  bench('rows, all folded', () => void rows(index, merged, () => false, null));
  bench('rows, all unfolded', () => void rows(index, merged, () => true, null));
  bench('filter', () => void filter(index, merged, 'file-42'));
});
