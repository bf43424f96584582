import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { expect, expectAccessible, expectFits, test } from './fixtures.ts';
import { run, type } from './terminal.ts';

const replay = (page: Page) => page.getByRole('region', { name: 'Replay of a terminal' });
const events = (page: Page) => replay(page).getByRole('region', { name: 'What happened' });

test('a terminal is recorded with its layer, replayed, downloaded and dropped', async ({ page }) => {
  await run(page);
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  const stop = page.getByRole('button', { name: 'Stop recording' });
  await expect(stop).toBeVisible();
  await expectAccessible(page);
  // Shown before it is written: a slow machine may show what is written later than it tells of it.
  await type(page, 'echo first-$((40+2)); echo > /tmp/first');
  const layer = page.getByRole('region', { name: 'Container layer' });
  await expect(layer.getByText('/tmp/first').first()).toBeVisible();
  // The server records: a page that goes and comes back finds it running.
  await page.reload();
  await expect(stop).toBeVisible();
  await expect(page.getByText('Connected')).toBeVisible();
  await type(page, 'echo other-$((40+3)) > /tmp/second; rm /tmp/first; cat /tmp/second');
  await expect(layer.getByText('/tmp/second').first()).toBeVisible();
  await stop.click();
  await page.getByRole('link', { name: 'Replay it' }).click();

  // At the end: everything that was shown, and all that happened.
  const scrub = replay(page).getByRole('slider', { name: 'Time of the recording' });
  await expect(scrub).toBeVisible();
  await replay(page)
    .focus()
    .catch(() => undefined);
  await scrub.press('End');
  await expect(replay(page).locator('.xterm-rows')).toContainText('other-43');
  await expect(events(page).getByText('/tmp/second')).toBeVisible();
  await expectAccessible(page);
  // Step by step back: what happened is gone again, and so is what was shown.
  await scrub.press('Home');
  await expect(replay(page).locator('.xterm-rows')).not.toContainText('first-42');
  await expect(events(page).getByText('/tmp/second')).toHaveCount(0);
  await replay(page).getByRole('button', { name: 'Next event' }).click();
  await expect(events(page).getByText('/tmp/first').first()).toBeVisible();
  await expect(events(page).getByText('/tmp/second')).toHaveCount(0);
  await expect(replay(page).locator('.xterm-rows')).toContainText('first-42');
  await scrub.press(']');
  await expect(events(page).getByText('/tmp/second')).toBeVisible();
  await scrub.press('[');
  await expect(events(page).getByText('/tmp/second')).toHaveCount(0);
  // Played to the end by itself.
  await replay(page).getByLabel('Speed').selectOption('16');
  await replay(page).getByRole('button', { name: 'Play' }).click();
  await expect(events(page).getByText('/tmp/second')).toBeVisible();
  await expect(replay(page).getByRole('button', { name: 'Play' })).toBeVisible();

  // The file is what any asciinema player takes; what was typed is not in it.
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download .cast' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/\.cast$/);
  const file = await download.path();
  const [head, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(JSON.parse(head)).toMatchObject({
    version: 2,
    width: expect.any(Number),
    height: expect.any(Number),
  });
  const codes = new Set(lines.map((l) => (JSON.parse(l) as [number, string, string])[1]));
  expect([...codes].sort().join('')).toMatch(/^mor?$/);
  // Dropped on the page it plays without the server.
  await page.goto('/#/replay');
  await page
    .getByTestId('look-input')
    .setInputFiles({ name: 'mine.cast', mimeType: '', buffer: readFileSync(file) });
  await replay(page).getByRole('slider').press('End');
  await expect(replay(page).locator('.xterm-rows')).toContainText('other-43');
  await expect(events(page).getByText('/tmp/second')).toBeVisible();

  await page.goto('/#/recordings');
  await expect(page.getByRole('listitem')).toHaveCount(1);
  await page.setViewportSize({ width: 360, height: 800 });
  await expectAccessible(page);
  await expectFits(page);
  await page.getByRole('button', { name: /^Delete the recording/ }).click();
  await expect(page.getByText('Nothing recorded yet.')).toBeVisible();
});

test('a strange recording is refused with its line, a narrow page shows one that is wide', async ({
  page,
}) => {
  await page.goto('/#/replay');
  const drop = (text: string) =>
    page.getByTestId('look-input').setInputFiles({ name: 'x.cast', mimeType: '', buffer: Buffer.from(text) });
  const head = '{"version":2,"width":132,"height":30}\n';
  await drop(`${head}[0,"o","a"]\n[1,"o",2]\n`);
  await expect(page.getByRole('alert')).toContainText('Line 3');
  await drop('{"version":2,"width":1e9,"height":30}\n');
  await expect(page.getByRole('alert')).toContainText('1 to 1000 columns');
  await page.setViewportSize({ width: 360, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await drop(
    `${head}[0,"o","of another player"]\n[1,"m","chapter"]\n[2,"r","100x20"]\n[3,"o","\\r\\nthe end"]\n`,
  );
  await replay(page).getByRole('slider').press('End');
  await expect(replay(page).locator('.xterm-rows')).toContainText('the end');
  await expect(events(page)).toHaveCount(0);
  await expectAccessible(page);
  await expectFits(page);
});
