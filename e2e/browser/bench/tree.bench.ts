import { openFile, test } from '../site.ts';
import { figure, heap, mainThread, quantile } from './figures.ts';
import { writeMany } from './many.ts';

// The page with 500,000 entries: scrolling, a step of the slider, a search, and
// what it holds in memory.
test('500,000 entries', async ({ page, site }, info) => {
  const path = info.outputPath('many.tar');
  writeMany(path);
  const began = performance.now();
  await openFile(page, site, path);
  await page.getByRole('tree').waitFor();
  figure('500,000 entries: file chosen to tree (256 MB)', (performance.now() - began) / 1000, 's', null);
  await page.getByRole('button', { name: 'Unfold all' }).click();
  const cdp = await page.context().newCDPSession(page);

  // A wheel that turns one screen a frame.
  const frames: number[] = [];
  const { tasks } = await mainThread(cdp, async () => {
    frames.push(
      ...(await page.evaluate(async () => {
        const tree = document.querySelector('[role=tree]') as HTMLElement;
        const at: number[] = [];
        for (let i = 0; i < 300; i++) {
          at.push(await new Promise<number>(requestAnimationFrame));
          tree.scrollTop += 560;
        }
        return at;
      })),
    );
  });
  // Tasks of one frame are those that began between two frames' first tasks.
  const step = ((frames.at(-1) ?? 0) - frames[0]) / (frames.length - 1);
  const first = Math.min(...tasks.map((t) => t.at));
  const work = new Map<number, { clock: number; processor: number }>();
  for (const t of tasks) {
    const n = Math.floor((t.at - first) / 1000 / step);
    const sum = work.get(n) ?? { clock: 0, processor: 0 };
    work.set(n, { clock: sum.clock + t.clock / 1000, processor: sum.processor + t.processor / 1000 });
  }
  const all = [...work.values()];
  figure('scrolling: main thread a frame, p95, processor time', quantile(all.map((w) => w.processor), 0.95), 'ms', 8);
  figure('scrolling: main thread a frame, p95, by the clock', quantile(all.map((w) => w.clock), 0.95), 'ms', null);

  const slider = await page.evaluate(async () => {
    const input = document.getElementById('layer-slider') as HTMLInputElement;
    const took: number[] = [];
    for (let i = 0; i < 40; i++) {
      input.value = String((i * 7) % 20);
      const began = performance.now();
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await Promise.resolve();
      void document.body.offsetHeight;
      took.push(performance.now() - began);
      await new Promise(requestAnimationFrame);
    }
    return took;
  });
  figure('a step of the slider, median', quantile(slider, 0.5), 'ms', 16);
  figure('a step of the slider, p95', quantile(slider, 0.95), 'ms', null);

  const search = await page.evaluate(async () => {
    const input = document.querySelector('input[type=search]') as HTMLInputElement;
    const took: number[] = [];
    for (const text of ['file-42', 'd77/file', '*.txt', 'file-4?7*', '/9\\d\\d/', 'nothing', 'size:>1k', 'layer:7 file-1']) {
      input.value = text;
      const began = performance.now();
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await Promise.resolve();
      void document.body.offsetHeight;
      took.push(performance.now() - began);
      await new Promise(requestAnimationFrame);
    }
    return took;
  });
  figure('a search over all, median of eight kinds', quantile(search, 0.5), 'ms', 50);
  figure('a search over all, slowest (its first use of names as text)', Math.max(...search), 'ms', 50);
  figure('what the page holds', (await heap(page)) / 1e6, 'MB', 300);
});
