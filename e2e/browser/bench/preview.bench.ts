import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { tar } from '../archives.ts';
import { expect, test } from '../site.ts';
import { figure, quantile } from './figures.ts';

const size = 10_240;
const layers = 10;
const each = 10_000;

/** Writes an image of 1.08 GB: 100,000 files of 10 KB, so dense that there is nothing to jump over. */
export function writeDense(path: string): void {
  const fd = openSync(path, 'w');
  const content = Buffer.alloc(size, 'layer after layer\n');
  const record = tar([{ name: 'f', content }]).subarray(0, 512 + size);
  for (let l = 0; l < layers; l++) {
    const bytes = each * record.length + 1024;
    writeSync(fd, tar([{ name: `${l}/layer.tar`, size: bytes }]).subarray(0, 512));
    const part = Buffer.alloc(100 * record.length);
    for (let f = 0; f < each; f += 100) {
      for (let i = 0; i < 100; i++) {
        const header = tar([{ name: `usr/share/p${(f + i) % 97}/file-${l}-${f + i}`, size }]).subarray(
          0,
          512,
        );
        record.copy(part, i * record.length, 0);
        header.copy(part, i * record.length);
      }
      writeSync(fd, part);
    }
    writeSync(fd, Buffer.alloc(1024));
  }
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: {
      type: 'layers',
      diff_ids: Array.from({ length: layers }, (_, i) => `sha256:${`${i}`.repeat(64)}`),
    },
  });
  const names = Array.from({ length: layers }, (_, i) => `${i}/layer.tar`);
  writeSync(
    fd,
    tar([
      { name: 'config.json', content: config },
      {
        name: 'manifest.json',
        content: JSON.stringify([{ Config: 'config.json', RepoTags: ['dense:1'], Layers: names }]),
      },
    ]),
  );
  closeSync(fd);
}

// The preview of a large archive beside what it takes to read the file at all,
// by turns in the same page.
test('an image of 1 GB', async ({ page, site }, info) => {
  const path = info.outputPath('dense.tar');
  writeDense(path);
  try {
    const reading: number[] = [];
    const showing: number[] = [];
    const first: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      await page.goto(`${site}#/preview`);
      await page.reload();
      await page.evaluate(() => {
        const plain = document.createElement('input');
        plain.type = 'file';
        plain.id = 'plain-input';
        document.body.append(plain);
      });
      await page.locator('#plain-input').setInputFiles(path);
      const read = await page.evaluate(async () => {
        const file = (document.getElementById('plain-input') as HTMLInputElement).files?.[0] as File;
        const began = performance.now();
        let sum = 0;
        for (let at = 0; at < file.size; at += 4 << 20) {
          sum += (await file.slice(at, at + (4 << 20)).arrayBuffer()).byteLength;
        }
        if (sum !== file.size) throw new Error('the file is shorter than it says');
        return performance.now() - began;
      });
      await page.evaluate(() => {
        const times = { chosen: 0, progress: 0, tree: 0 };
        Object.assign(window, { benchTimes: times });
        document.addEventListener('input', () => (times.chosen ||= performance.now()), true);
        const look = () => {
          if (times.chosen && !times.tree && document.querySelector('[role=tree] [role=treeitem]'))
            times.tree = performance.now();
          if (!times.tree) requestAnimationFrame(look);
        };
        look();
      });
      await page.getByTestId('look-input').setInputFiles(path);
      await page.getByRole('tree').getByRole('treeitem').first().waitFor({ timeout: 300_000 });
      const took = await page.evaluate(() => {
        const t = (window as unknown as { benchTimes: { chosen: number; tree: number } }).benchTimes;
        return t.tree - t.chosen;
      });
      expect(took).toBeGreaterThan(0);
      if (turn === 0) continue; // into the file cache, and the module compiled
      reading.push(read);
      showing.push(took);
      first.push(took / read);
    }
    figure('1.08 GB, 100,000 entries: reading it by 4 MB arrayBuffer()', quantile(reading, 0.5), 'ms', null);
    figure('file chosen to first tree', quantile(showing, 0.5), 'ms', null);
    figure('ratio of the two, median of turns', quantile(first, 0.5), '×', 1.2);
  } finally {
    rmSync(path);
  }
});
