import { expect, test } from 'vitest';
import { decodeIndex, nodeName } from '../src/core/index.ts';
import { filter, hitsOf, view } from '../src/core/tree.ts';
import { encode, root, type TestNode } from './encode.ts';

/** Two folders that have the same files, by these names. */
function twice(names: string[]) {
  const files = names.toSorted().map<TestNode>((name) => ({
    depth: 2,
    name,
    versions: [{ kind: 'file', layer: 0, size: 1 }],
  }));
  const folder = (name: string): TestNode => ({
    depth: 1,
    name,
    versions: [{ kind: 'dir', layer: 0, mode: 0o755 }],
  });
  return decodeIndex(encode(1, [root, folder('a'), ...files, folder('b'), ...files]));
}

test('nodes of one name have one first node, others another', () => {
  const index = twice(Array.from({ length: 50 }, (_, i) => `${i}.js`));
  expect(index.sameName[1]).not.toBe(index.sameName[52]);
  for (let i = 2; i < 52; i++) {
    expect(index.sameName[i]).toBe(i);
    expect(index.sameName[i + 51]).toBe(i);
  }
});

// Of 103 nodes the lowest eight bits of the hash say where a name lies.
function place(name: string): number {
  let hash = 0x811c9dc5;
  for (const b of new TextEncoder().encode(name)) hash = Math.imul(hash ^ b, 0x01000193);
  return (hash ^ (hash >>> 15)) & 255;
}

test('names that were chosen to lie in one place are found by every kind of search, and none for another', () => {
  const names: string[] = [];
  for (let i = 0; names.length < 50; i++) if (place(`n${i}`) === 77) names.push(`n${i}`);
  const index = twice(names);
  let own = 0;
  for (let i = 0; i < index.nodes; i++) {
    expect(nodeName(index, index.sameName[i])).toBe(nodeName(index, i));
    if (index.sameName[i] === i) own++;
  }
  // The table was crowded: half of the second folder's names stand for themselves.
  expect(own).toBeGreaterThan(70);
  const v = view(index, 'merged', 0);
  for (const digit of ['1', '7', '42']) {
    const hits = 2 * names.filter((n) => n.includes(digit)).length;
    for (const query of [digit, `*${digit}*`, `/${digit}/`]) {
      const keep = filter(index, v, query);
      expect(keep && hitsOf(keep), query).toBe(hits);
    }
  }
});
