import { expect, test } from 'vitest';
import { decodeIndex, findNode } from '../src/core/index.ts';
import { rowText } from '../src/core/row.ts';
import { firstTouched, rows } from '../src/core/rowlist.ts';
import { view } from '../src/core/tree.ts';
import { example } from './encode.ts';

const index = decodeIndex(example());
const at = (path: string) => findNode(index, path);

test('a row says name, size, mode, owner, layer and time, and what the layer did', () => {
  const row = rowText(index, view(index, 'merged', 1), at('bin/my-app-tools'));
  expect(row).toMatchObject({
    name: 'my-app-tools',
    mark: 'changed',
    shape: 'file',
    folder: false,
    layer: 1,
  });
  expect(row).toMatchObject({ size: '3.50 kB', mode: '-rwxr-xr-x' });
  expect(row.owner).toMatch(/^\d+:\d+$/);
});

test('a deleted path keeps its row; in the layer alone it is a whiteout without a size', () => {
  const gone = at('etc/my-app-config');
  expect(rowText(index, view(index, 'merged', 1), gone)).toMatchObject({ mark: 'deleted', whiteout: false });
  expect(rowText(index, view(index, 'only', 1), gone)).toMatchObject({
    whiteout: true,
    size: '',
    mode: '',
    time: '',
  });
});

test('a folder says that something beneath it is not as it was', () => {
  const etc = at('etc');
  expect(rowText(index, view(index, 'merged', 1), etc)).toMatchObject({
    shape: 'folder',
    folder: true,
    below: true,
  });
  expect(rowText(index, view(index, 'only', 1), etc).below).toBe(false);
});

test('the first touched path is found in what is unfolded, and nowhere else', () => {
  const v = view(index, 'merged', 1);
  const all = rows(index, v, () => true, null);
  const first = firstTouched(index, v, all);
  expect(rowText(index, v, all[first]).mark).not.toBe('');
  for (const node of all.subarray(0, first)) expect(rowText(index, v, node).mark).toBe('');
  expect(firstTouched(index, v, all.subarray(0, first))).toBe(-1);
});
