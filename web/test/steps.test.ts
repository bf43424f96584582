import { expect, test } from 'vitest';
import { decodeIndex, Flag } from '../src/core/index.ts';
import { firstTouched, placeOf, rows } from '../src/core/rowlist.ts';
import { Stepper } from '../src/core/steps.ts';
import { type Mode, Status, type View, view } from '../src/core/tree.ts';
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

/** Folders with many files of one life beside each other, as a package leaves them, and a few that differ. */
function even(seed: number, layers: number): Uint8Array {
  const roll = dice(seed);
  const nodes: TestNode[] = [root];
  for (let d = 0; d < 8; d++) {
    nodes.push({ depth: 1, name: `d${d}`, versions: [{ kind: 'dir', layer: 0, mode: 0o755 }] });
    for (let f = 0; f < 90; ) {
      const layer = roll(layers);
      const end = layer + 1 + roll(layers);
      const life = { layer, ...(end < layers && { until: end + 1, cause: 2 }) };
      for (let many = f + 1 + roll(40); f < many; f++) {
        const name = `f${String(f).padStart(3, '0')}`;
        const kind = roll(9) === 0 ? 'symlink' : 'file';
        nodes.push({ depth: 2, name, versions: [{ kind, ...life, size: roll(1000), target: 'x' }] });
      }
      const name = `f${String(f++).padStart(3, '0')}`;
      nodes.push({ depth: 2, name, versions: [{ kind: 'dir', ...life }] });
      if (roll(2) === 0) nodes.push({ depth: 3, name: 'in', versions: [{ kind: 'file', ...life, size: 5 }] });
    }
  }
  return encode(layers, nodes);
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
  ...[6, 7, 8].map((seed) => [`even image ${seed}`, even(seed, 12)] as [string, Uint8Array]),
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

test('a stretch is of one folder and one life, and as long as it can be', () => {
  const index = decodeIndex(even(6, 12));
  const { layer, until } = index.versions;
  const alike = (a: number, b: number) => {
    const [j, k] = [index.first[a], index.first[b]];
    return index.parent[a] === index.parent[b] && layer[j] === layer[k] && until[j] === until[k];
  };
  const whole = (i: number) => index.end[i] === i + 1 && index.first[i + 1] === index.first[i] + 1;
  let found = 0;
  for (let i = 0; i < index.nodes; i++) {
    const past = index.stretch[i];
    if (past === 0) continue;
    found++;
    expect(past - i).toBeGreaterThanOrEqual(16);
    for (let n = i; n < past; n++) expect(alike(i, n) && whole(n)).toBe(true);
    if (past < index.nodes) expect(alike(i, past) && whole(past)).toBe(false);
  }
  expect(found).toBeGreaterThan(10);
});

test('the rows of a view, and the first of them that was touched, are those that one look at each node finds', () => {
  const index = decodeIndex(even(7, 12));
  for (let layer = 0; layer < index.layers; layer++) {
    const v = view(index, 'merged', layer);
    const isOpen = (node: number) => node % 3 > 0;
    const shown = (i: number): boolean => {
      const p = index.parent[i];
      return v.version[i] >= 0 && (p === 0 || (isOpen(p) && shown(p)));
    };
    const nodes = Array.from({ length: index.nodes }, (_, i) => i);
    const list = rows(index, v, isOpen, null);
    expect([...list]).toEqual(nodes.slice(1).filter(shown));
    const is = (node: number) => v.status[node] !== Status.same;
    for (const order of ['name', 'size'] as const) {
      const all = rows(index, v, isOpen, null, order);
      expect(firstTouched(index, v, all, order)).toBe(all.findIndex(is));
      const [from, to] = [all.length >> 2, all.length >> 1];
      const within = all.findIndex((node, at) => at >= from && at < to && is(node));
      expect(firstTouched(index, v, all, order, from, to)).toBe(within);
      expect(firstTouched(index, v, all, order, all.length - 1, all.length + 9)).toBe(
        is(all[all.length - 1]) ? all.length - 1 : -1,
      );
      for (const node of nodes) expect(placeOf(all, node, order)).toBe(all.indexOf(node));
    }
  }
});
