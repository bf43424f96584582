import { expect, test } from 'vitest';
import { diffOf } from '../src/core/diff.ts';
import { csvCell, csvLine, fileName, pieces } from '../src/core/export/csv.ts';
import { svg } from '../src/core/export/svg.ts';
import { diffTable, lines } from '../src/core/export/tables.ts';
import { decodeIndex, findNode } from '../src/core/index.ts';
import { encode, example, root } from './encode.ts';

const bytes = example();
const index = decodeIndex(bytes);

test.each([
  ['plain', 'plain'],
  ['', ''],
  ['a,b', '"a,b"'],
  ['say "x"', '"say ""x"""'],
  ['two\nlines', '"two\nlines"'],
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  [-5, '-5'],
  [null, ''],
])('the cell %j is written %j', (value, want) => expect(csvCell(value)).toBe(want));

test('a line ends as RFC 4180 says, and pieces are whole lines', () => {
  expect(csvLine(['a', 1, null])).toBe('a,1,\r\n');
  const many = Array.from({ length: 50_000 }, (_, i) => [`path/${i}`, i]);
  const all = [...pieces(many)];
  expect(all.length).toBeGreaterThan(5);
  expect(all.reduce((n, p) => n + p.lines, 0)).toBe(50_000);
  for (const p of all) expect(p.text.endsWith('\r\n')).toBe(true);
  expect(all.map((p) => p.text).join('')).toBe(many.map(csvLine).join(''));
});

test('files are named after their image, whatever that is called', () => {
  expect(fileName({ id: 'sha256:1a2b3c4d5e6f7788', refs: [] }, 'files')).toBe('1a2b3c4d5e6f-files');
  expect(fileName({ id: '', refs: ['../a/b:1'] }, 'waste')).toBe('_a_b_1-waste');
});

const table = (...of: Parameters<typeof lines>) => [...lines(...of)].map((cells) => cells.join(' | '));

test('the tree as a table is what its filter keeps, deleted paths too', () => {
  const all = table({ of: 'tree', bytes, mode: 'merged', layer: 1, query: '' });
  expect(all[0]).toBe('path | type | mode | uid | gid | size | mtime | target | layer | status');
  expect(all.map((l) => l.split(' | ')[0])).toEqual([
    'path',
    '/bin',
    '/bin/my-app-binary',
    '/bin/my-app-tools',
    '/etc',
    '/etc/my-app-config',
    '/etc/my-app.d',
    '/etc/my-app.d/default.cfg',
  ]);
  expect(all[5]).toMatch(/^\/etc\/my-app-config \| file .* \| deleted$/);
  const some = table({ of: 'tree', bytes, mode: 'merged', layer: 1, query: 'is:deleted' });
  expect(some).toHaveLength(2);
  expect(some[1]).toMatch(/^\/etc\/my-app-config /);
});

test('waste, differences and versions as tables', () => {
  const waste = table({ of: 'waste', bytes });
  expect(waste[0]).toMatch(/^path \| bytes \| layer/);
  const image = index.head.image;
  const full = { ...image, layers: image.layers.map((l, i) => ({ ...l, diffID: `sha256:${i}` })) };
  const diff = diffOf({ image: full, index, layer: 0 }, { image: full, index, layer: 1 });
  const changes = table(diffTable(diff, [1, 2, 3]));
  expect(changes.some((l) => /^deleted \| \/etc\/my-app-config/.test(l))).toBe(true);
  expect(table(diffTable(diff, []))).toHaveLength(1);
  const versions = table({ of: 'provenance', bytes, node: findNode(index, 'etc/my-app-config') });
  expect(versions.length).toBeGreaterThan(2);
  expect(versions[1]).toMatch(/^\/etc\/my-app-config \| 1 \| whiteout/);
});

test('half a million paths are worded in seconds, and never all at once', () => {
  const nodes = [root];
  for (let i = 0; i < 500_000; i++)
    nodes.push({
      depth: 1,
      name: `f${String(i).padStart(6, '0')}`,
      versions: [{ kind: 'file', layer: 0, size: i, mode: 0o644 }],
    });
  const big = encode(1, nodes);
  let most = 0;
  let count = 0;
  for (const p of pieces(lines({ of: 'tree', bytes: big, mode: 'merged', layer: 0, query: '' }))) {
    most = Math.max(most, p.text.length);
    count += p.lines;
  }
  expect(count).toBe(500_001);
  expect(most).toBeLessThan(70_000);
}, 60_000);

test('an SVG is XML whatever the names, with nothing that runs or is fetched', () => {
  const name = '</text><script>alert(1)</script>\u0000\u0008&"\'';
  const text = svg({
    width: 100.123,
    height: 50,
    background: '#fff',
    title: name,
    shapes: [
      {
        kind: 'clip',
        x: 0,
        y: 0,
        width: 10,
        height: 10,
        shapes: [
          {
            kind: 'text',
            x: 1,
            y: 2,
            width: 30,
            size: 12,
            fill: '#000',
            weight: '400',
            mono: false,
            text: name,
          },
        ],
      },
      {
        kind: 'box',
        x: 1,
        y: 1,
        width: 5,
        height: 5,
        fill: '',
        stroke: '#123456',
        thick: 1,
        dashed: true,
        round: 2,
      },
      { kind: 'path', x: 0, y: 0, scale: 1.5, d: 'M0 0h8', stroke: '#000', thick: 1.7 },
    ],
  });
  expect(text).not.toMatch(/<script|\p{Cc}(?<![\n\r\t])|href|style=/u);
  expect(text).toContain('&lt;/text&gt;&lt;script&gt;');
  expect(text.match(/<svg/g)).toHaveLength(2);
  expect(text.match(/<\/svg>/g)).toHaveLength(2);
});
