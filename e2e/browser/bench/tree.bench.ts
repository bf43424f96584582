import type { Page } from '@playwright/test';
import { openFile, test } from '../site.ts';
import { figure, heap, mainThread, quantile, type Work } from './figures.ts';
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
  const frames = await mainThread(cdp, () =>
    page.evaluate(async () => {
      const tree = document.querySelector('[role=tree]') as HTMLElement;
      for (let i = 0; i < 300; i++) {
        await new Promise(requestAnimationFrame);
        performance.mark('frame');
        tree.scrollTop += 560;
      }
    }),
  );
  const p95 = (work: Work[], of: keyof Work) => quantile(work.map((w) => w[of]), 0.95);
  figure('scrolling: main thread a frame, p95, processor time', p95(frames, 'processor'), 'ms', 8);
  figure('scrolling: main thread a frame, p95, by the clock', p95(frames, 'clock'), 'ms', null);

  const slider: number[] = [];
  const steps = await mainThread(cdp, async () => {
    slider.push(...(await drag(page, Array.from({ length: 41 }, (_, i) => (i * 7) % 20))));
  });
  figure('a step of the slider, from the drag to its frame, median', quantile(slider, 0.5), 'ms', 16);
  figure('a step of the slider, p95', quantile(slider, 0.95), 'ms', null);
  figure('the same with all of its frame, median, processor time', quantile(steps.map((w) => w.processor), 0.5), 'ms', null);

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
  figure('a search over all, slowest of eight kinds', Math.max(...search), 'ms', 50);
  const [still] = await Promise.all([
    page.getByRole('button', { name: 'Save the list as CSV' }).evaluate((button: HTMLElement) => {
      const began = performance.now();
      button.click();
      return performance.now() - began;
    }),
    page.waitForEvent('download'),
  ]);
  figure('saving the list: the page stands still', still, 'ms', null);
  figure('what the page holds', (await heap(page)) / 1e6, 'MB', 300);
});

/**
 * Drags the slider with the mouse from moment to moment, of 20, a step a frame.
 * Returns for each what it took from the event to the end of the frame with the
 * new tree in it: script, style, layout, paint and the hand-over to the compositor.
 */
async function drag(page: Page, moments: number[]): Promise<number[]> {
  const slider = page.locator('#layer-slider');
  const box = await slider.boundingBox();
  if (!box) throw new Error('no slider');
  // The middle of the thumb, which is 16 pixels wide.
  const to = (moment: number) =>
    page.mouse.move(box.x + 8 + ((box.width - 16) * moment) / 19, box.y + box.height / 2);
  await to(Number(await slider.inputValue()));
  await page.mouse.down();
  const took = await slider.evaluateHandle((input) => {
    const out: number[] = [];
    const after = new MessageChannel();
    after.port1.onmessage = (e: MessageEvent<number>) => out.push(performance.now() - e.data);
    input.addEventListener(
      'input',
      () => {
        const began = performance.now();
        performance.mark('frame');
        // The mouse moves within a frame, whose callbacks come next; a message comes when it is done.
        requestAnimationFrame(() => after.port2.postMessage(began));
      },
      { capture: true },
    );
    return out;
  });
  for (const moment of moments) {
    await to(moment);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await page.mouse.up();
  return took.jsonValue();
}
