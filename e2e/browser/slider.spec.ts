import type { Page } from '@playwright/test';
import { asFile, dockerSave } from './archives.ts';
import { expect, openFile, openSample, test } from './site.ts';

/** Five layers, each with a folder of 300 files. */
const many = dockerSave([
  {
    tag: 'many:1',
    layers: Array.from({ length: 5 }, (_, l) => [
      { name: `d${l}/` },
      ...Array.from({ length: 300 }, (_, f) => ({ name: `d${l}/file-${f}`, content: '' })),
    ]),
  },
]);

/** Steps through the moments as fast as a script can, and then does what `last` says. */
function steps(page: Page, moments: number[], last?: 'reload' | 'leave' | 'back'): Promise<void> {
  return page.evaluate(
    ([all, then]) => {
      const slider = document.getElementById('layer-slider') as HTMLInputElement;
      for (const moment of all) {
        slider.value = `${moment}`;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }
      if (then === 'reload') location.reload();
      if (then === 'leave') location.hash = '#/words';
      if (then === 'back') history.back();
    },
    [moments, last] as const,
  );
}

test('each frame of a drag shows the tree of its moment, without a gap', async ({ page, site }) => {
  await openFile(page, site, asFile('many.tar', many));
  await page.getByRole('button', { name: 'Unfold all' }).click();
  const frames = await page.evaluate(async () => {
    const slider = document.getElementById('layer-slider') as HTMLInputElement;
    const box = (document.querySelector('[role=tree]') as Element).getBoundingClientRect();
    const after = new MessageChannel();
    const out = [];
    for (const moment of [0, 3, 1, 4, 2, 0, 4, 3, 2, 1]) {
      await new Promise(requestAnimationFrame);
      slider.value = `${moment}`;
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      // A message that is sent within a frame comes when the frame is done.
      await new Promise((done) => {
        after.port1.onmessage = done;
        after.port2.postMessage(null);
      });
      const rows = [...document.querySelectorAll('.rows .row:not([hidden])')]
        .map((row) => ({
          top: row.getBoundingClientRect().top,
          layer: Number(row.querySelector('.layer')?.textContent),
          added: row.classList.contains('added'),
        }))
        .filter((row) => row.top + 28 > box.top && row.top < box.bottom)
        .sort((a, b) => a.top - b.top);
      out.push({ moment, rows, top: box.top, bottom: box.bottom });
    }
    return out;
  });
  expect(frames).toHaveLength(10);
  for (const { moment, rows, top, bottom } of frames) {
    expect(rows.length, `moment ${moment}`).toBeGreaterThan(10);
    expect(rows[0].top).toBeLessThanOrEqual(top + 1);
    expect((rows.at(-1)?.top ?? 0) + 28).toBeGreaterThanOrEqual(bottom - 1);
    rows.forEach((row, i) => {
      expect(row.top).toBeCloseTo(rows[0].top + 28 * i, 1);
      expect(row.layer).toBeLessThanOrEqual(moment);
      expect(row.added).toBe(row.layer === moment);
    });
    expect(rows.some((row) => row.added)).toBe(true);
  }
  // What is told about a layer follows when the slider rests.
  const layers = page.getByRole('region', { name: 'Layers' });
  await expect(layers.locator('li', { has: page.locator('dl') })).toHaveCount(1);
  await expect(layers.locator('li', { has: page.locator('dl') })).toContainText('step-1');
  await expect(layers.locator('[aria-current]')).toHaveAttribute('data-layer', '1');
});

test('the address has the last moment of a drag that has more of them than the browser takes', async ({
  playwright,
  launchOptions,
  site,
}) => {
  // Chromium takes 200 addresses in ten seconds, but for a page that is driven.
  const browser = await playwright.chromium.launch({
    ...launchOptions,
    ignoreDefaultArgs: ['--disable-ipc-flooding-protection'],
  });
  const page = await browser.newPage({ locale: 'en-GB' });
  await openSample(page, site);
  await steps(page, [...Array.from({ length: 300 }, (_, i) => i % 4), 2]);
  await expect(page).toHaveURL(/after=2$/);
  await expect(page.locator('#layer-slider')).toHaveValue('2');
  await browser.close();
});

test('the address has the last moment of a drag wherever one goes then', async ({ page, site }) => {
  await openSample(page, site);
  const slider = page.locator('#layer-slider');
  await steps(page, [1, 0, 1], 'leave');
  await expect(page.getByRole('heading', { name: 'Words', exact: true })).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(/after=1$/);
  await expect(slider).toHaveValue('1');

  // Back before the last of the drag is written: what is come back to keeps its own address.
  await steps(page, [0, 1, 3], 'back');
  await expect(page).not.toHaveURL(/after=/);
  await expect(slider).toHaveCount(0);
  await page.goForward();
  await expect(page).toHaveURL(/after=3$/);
  await expect(slider).toHaveValue('3');

  // The page that is reloaded goes on until the new one is there.
  await page.route(site, async (route) => {
    await expect.poll(() => page.url()).toMatch(/after=2$/);
    await route.continue();
  });
  await steps(page, [1, 3, 2], 'reload');
  await expect(page.getByText('This address belongs to the image')).toBeVisible();
  await expect(page).toHaveURL(/after=2$/);
});

test('who follows a link stays there, whatever the view that is left still does', async ({ page, site }) => {
  await openSample(page, site);
  const words = page.getByRole('heading', { name: 'Words', exact: true });
  // The page has not heard of the link when the slider moves once more.
  await page.evaluate(() => {
    const slider = document.getElementById('layer-slider') as HTMLInputElement;
    location.hash = '#/words';
    slider.value = '1';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await expect(words).toBeVisible();
  await expect(page).toHaveURL(/#\/words$/);
  await page.goBack();
  await expect(page.getByRole('tree')).toBeVisible();
});
