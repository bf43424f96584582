import { expect, test } from 'vitest';
import { decodeIndex, Flag } from '../src/core/index.ts';
import { Stepper } from '../src/core/steps.ts';
import { type Mode, type View, view } from '../src/core/tree.ts';
import { encode, example, root, type TestNode, type TestVersion } from './encode.ts';

/** A small linear congruential generator: the same walk in every run. */
function dice(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
}

/** Files in folders, with random lives; some share an inode within a layer. */
function wild(seed: number, layers: number): Uint8Array {
  const roll = dice(seed);
  const nodes: TestNode[] = [root];
  for (let d = 0; d < 6; d++) {
    nodes.push({ depth: 1, name: `d${d}`, versions: [{ kind: 'dir', layer: 0, mode: 0o755 }] });
    for (let f = 0; f < 12; f++) {
      const versions: TestVersion[] = [];
      for (let l = roll(layers); l < layers; ) {
        const end = l + 1 + roll(layers);
        const ends = end < layers ? { until: end + 1, cause: 1 + roll(2) } : {};
        const kind = versions.length > 0 && roll(4) === 0 ? 'whiteout' : 'file';
        const linked = kind === 'file' && f < 4 && versions.length === 0 && end >= layers;
        if (kind === 'whiteout') versions.push({ kind, layer: l, ...ends });
        else if (linked)
          versions.push({ kind, layer: l, size: 7 + l, flags: Flag.linked, inode: l, data: 512 * (l + 1) });
        else versions.push({ kind, layer: l, size: roll(1000), data: 512 * roll(1000), ...ends });
        l = end + (roll(2) === 0 ? 0 : 1 + roll(2));
      }
      nodes.push({ depth: 2, name: `f${String(f).padStart(2, '0')}`, versions });
    }
  }
  // Nodes without a version are in no index.
  return encode(
    layers,
    nodes.filter((n) => n.versions.length > 0),
  );
}

const plain = (v: View) => ({
  layer: v.layer,
  version: [...v.version],
  status: [...v.status],
  touched: [...v.touched],
  size: [...v.size],
});

const cases: [string, Uint8Array][] = [
  ['the example', example()],
  ...[1, 2, 3, 4, 5].map((seed) => [`wild image ${seed}`, wild(seed, 12)] as [string, Uint8Array]),
];

test.each(cases)('every step through %s ends at what one pass would show', (_, bytes) => {
  const index = decodeIndex(bytes);
  const stepper = new Stepper(index);
  const roll = dice(99);
  let layer = 0;
  for (let n = 0; n < 120; n++) {
    const mode: Mode = roll(3) === 0 ? 'only' : 'merged';
    layer = roll(4) === 0 ? roll(index.layers) : (layer + index.layers + roll(3) - 1) % index.layers;
    expect(plain(stepper.view(mode, layer)), `step ${n}: ${mode} ${layer}`).toEqual(
      plain(view(index, mode, layer)),
    );
  }
});
