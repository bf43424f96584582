import { gzipSync } from 'node:zlib';
import { asFile, tar } from './archives.ts';
import { expect, expectAccessible, test } from './fixtures.ts';

// What the page does not read by itself: one entry more than it takes.
const limit = 500_000;

/** A root file system of `entries` records of which each hundred has the same names, packed. */
function many(entries: number): Buffer {
  const record = (name: string) => tar([{ name, content: '' }]).subarray(0, 512);
  const hundred = Buffer.concat(Array.from({ length: 100 }, (_, i) => record(`f${i}`)));
  const all = Buffer.alloc((entries + 2) * 512);
  for (let at = 0; at < entries; at += 100) hundred.copy(all, at * 512, 0, Math.min(100, entries - at) * 512);
  return gzipSync(all, { level: 1 });
}

test('beyond the page’s limit the server is offered, which reads it', async ({ browser, another }) => {
  test.setTimeout(120_000);
  const server = await another(['--read', 'native', '--no-samples']);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.login);
  await expect(page.getByText('No images yet')).toBeVisible();
  await page.getByRole('link', { name: 'Look into a file' }).click();
  await page.getByTestId('look-input').setInputFiles(asFile('many.tar.gz', many(limit + 1)));
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('many.tar.gz cannot be read', { timeout: 60_000 });
  await expect(alert).toContainText('The image has more than 500000 entries');
  await expect(alert).toContainText('serve --limit-entries');
  await expectAccessible(page);
  await alert.getByRole('button', { name: 'Upload this' }).click();
  await expect(page.getByText('many.tar.gz is stored')).toBeVisible({ timeout: 60_000 });
  await page.getByRole('listitem', { name: 'Upload of many.tar.gz' }).getByRole('link').first().click();
  await expect(page.getByRole('treeitem', { name: /\bf0\b/ })).toBeVisible();
  await context.close();
});
