import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { asFile, dockerSave, example, tar } from './archives.ts';
import { corpusFile, expect, expectAccessible, expectFits, look, openStored, test } from './fixtures.ts';
import { run } from './terminal.ts';

const v1 = 'docker-save/docker-1.8.2-pause-2.0.tar';
const archive = () => asFile('example.tar', dockerSave([example]));

async function open(page: Page, view: string): Promise<void> {
  await look(page, archive());
  await page
    .getByRole('navigation', { name: 'Views of the image' })
    .getByRole('link', { name: view })
    .press('Enter');
  await expect(page).toHaveURL(new RegExp(`#/preview/sha256:[0-9a-f]{64}/${view.toLowerCase()}$`));
}

async function expectNarrow(page: Page, what: string): Promise<void> {
  await page.setViewportSize({ width: 360, height: 740 });
  await expectAccessible(page);
  await expectFits(page, what);
}

test('the papers say what each field means, and show their bytes', async ({ page }) => {
  await open(page, 'Papers');
  await expect(page.getByRole('row', { name: /^Cmd/ })).toContainText('/bin/true');
  await expect(page.getByRole('row', { name: /^rootfs/ })).toContainText('sha256:');
  await expect(page.getByRole('row', { name: /^architecture/ })).toContainText('The processor');
  await page.getByText('The bytes as they are hashed').first().click();
  await expect(page.getByRole('region', { name: 'The bytes as they are hashed' }).first()).toContainText(
    '{"architecture":"amd64"',
  );
  await expectAccessible(page);
  await page.getByRole('button', { name: '中文' }).click();
  await expect(page.getByRole('row', { name: /^architecture/ })).toContainText('处理器');
  await page.getByRole('button', { name: 'English' }).click();
  await expectNarrow(page, 'Papers');
});

test('the archive as files, each with what it becomes; a layer’s tar is taken away', async ({ page }) => {
  await open(page, 'Papers');
  const layers = page.getByRole('row', { name: /^[0-9a-f]{64}\/layer\.tar/ });
  await expect(layers).toHaveCount(3);
  await expect(page.getByRole('row', { name: /^manifest\.json/ })).toContainText('names of the images');
  await expect(page.getByRole('row', { name: /^[0-9a-f]{64}\.json/ })).toContainText('config');
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the tar of layer 1' }).click(),
  ]);
  expect(readFileSync(await file.path()).equals(tar(example.layers[1]))).toBe(true);
  await layers.nth(1).getByRole('link', { name: 'layer 1' }).click();
  await expect(page.getByRole('tree')).toHaveAccessibleName('Only layer 1');
});

/** Presses a button and reads what the browser is given: the names in a tar. */
async function namesIn(page: Page, button: string): Promise<string[]> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).click(),
  ]);
  const listed = spawnSync('tar', ['-tf', await file.path()], { encoding: 'utf8' });
  expect(listed.stderr).toBe('');
  return listed.stdout.trim().split('\n');
}

test('the merged tree of a preview is taken away as one tar', async ({ page }) => {
  await open(page, 'Papers');
  const names = await namesIn(page, 'Download the merged tree as one tar');
  expect(names).toContain('etc/my-app.d/other.cfg');
  expect(names.filter((n) => n.includes('.wh.'))).toEqual([]);
});

test('a stored image’s archive as files, its index field by field, and its tree', async ({ page }) => {
  await openStored(page);
  await page.getByRole('link', { name: 'Papers' }).click();
  const index = page.getByRole('region', { name: 'Index' });
  await expect(index.getByRole('row', { name: /^digest/ })).toContainText('The SHA-256 of the manifest');
  await expect(index.getByRole('row', { name: /^annotations/ })).toContainText('layerlab/sample:latest');
  const files = page.getByRole('region', { name: 'The archive as files' }).first();
  await expect(files.getByRole('row', { name: /^repositories/ })).toContainText('names of the images');
  await files.getByRole('button', { name: 'repositories' }).click();
  await expect(files.getByRole('row', { name: /^layerlab\/sample/ })).toContainText(
    'the id of the top layer',
  );
  await expect(files.getByRole('link', { name: 'layer 1' }).first()).toBeVisible();
  expect(await namesIn(page, 'Download the merged tree as one tar')).toContain('bin/sh');
  await expectNarrow(page, 'Papers');
});

test('a container’s papers are its image’s, and its own layer has none before a commit', async ({ page }) => {
  await run(page, 'sh');
  await page.getByRole('link', { name: 'Stack and files' }).click();
  const layers = page.getByRole('region', { name: 'Layers' }).locator('[data-layer]');
  await expect(layers.first()).toBeVisible();
  const stacked = await layers.count();
  await page.getByRole('link', { name: 'Papers' }).click();
  await expect(page).toHaveURL(/\/inside\/papers$/);
  await expect(
    page.getByText(/^These are the papers of the image that the container was made of/),
  ).toBeVisible();
  await expect(page.getByRole('row', { name: /^Cmd/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /^rootfs/ })).toContainText('sha256:');
  // The container's own layer is no tar of the image's.
  await expect(page.getByRole('button', { name: /^Download the tar of layer/ })).toHaveCount(stacked - 1);
  const config = await page.getByRole('region', { name: 'config' }).innerText();
  await openStored(page);
  await page.getByRole('link', { name: 'Papers' }).click();
  await expect(page.getByRole('region', { name: 'config' })).toHaveText(config, { useInnerText: true });
});

test('the v1 JSON of an archive of Docker 1.x, field by field', async ({ page }) => {
  const file = corpusFile(v1);
  test.skip(file === null, 'the corpus is not on this machine (LAYERLAB_CORPUS)');
  await look(page, file ?? '');
  await page.getByRole('link', { name: 'Papers' }).click();
  const papers = page.getByRole('region', { name: 'v1: the JSON of each layer' });
  const each = papers.getByRole('group');
  await each.nth(1).locator('summary').first().click();
  await expect(each.nth(1).getByRole('row', { name: /^parent/ })).toContainText('the layer below');
  await expect(page.getByRole('row', { name: /\/VERSION/ }).first()).toContainText('version of the form');
});

test('waste lists what no container sees and who hid it', async ({ page }) => {
  await open(page, 'Waste');
  await expect(page.getByText(/^21 B of 45 B/)).toBeVisible();
  const list = page.getByRole('region', { name: 'By path' }).getByRole('listitem');
  await expect(list).toHaveCount(3);
  await expect(list.filter({ hasText: '/etc/my-app-config' })).toContainText(
    'hidden by a whiteout of layer 1',
  );
  await expect(list.filter({ hasText: 'default.cfg' })).toContainText(
    'hidden by the opaque whiteout in /etc/my-app.d of layer 2',
  );
  await expect(page.getByRole('group', { name: /Map of the wasted bytes/ })).toBeVisible();
  await expectAccessible(page);
  await expectNarrow(page, 'Waste');
});

test('one byte of the config changes the imageID and no layer', async ({ page }) => {
  await open(page, 'Identity');
  const layers = page.getByRole('list', { name: 'Layers' });
  await expect(layers.getByRole('listitem')).toHaveCount(3);
  await expect(page.getByText('as claimed').first()).toBeVisible();
  await layers.locator('summary').filter({ hasText: 'chainID' }).nth(1).click();
  await expect(page.getByText('not as claimed')).toHaveCount(0);
  await expect(layers.locator('details[open] pre')).toHaveText(/^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$/);
  await page.getByRole('button', { name: 'Change one byte' }).press('Enter');
  await expect(page.getByText('another name now')).toHaveCount(1);
  await expect(page.getByText('1 of 7 names changed')).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'As it was' }).click();
  await expect(page.getByText('another name now')).toHaveCount(0);
  await expectNarrow(page, 'Identity');
});

test('another byte of a layer’s tar, and what docker images says of the image', async ({ page }) => {
  await open(page, 'Identity');
  const tars = page.getByRole('list', { name: 'Layers' }).locator('summary').filter({ hasText: 'diffID' });
  await tars.nth(1).press('Enter');
  const head = page.getByRole('region', { name: 'The first bytes of the tar of layer 1' });
  await expect(head).toContainText('etc/my-app.d/');
  await page.getByRole('button', { name: 'Change the first byte of this tar' }).press('Enter');
  // Its diffID, its chainID and the one above it, and the imageID; the base stays.
  await expect(page.getByText('4 of 7 names changed')).toBeVisible();
  const other = tar(example.layers[1]);
  other[0] ^= 1;
  await expect(page.getByRole('textbox', { name: 'Change the config' })).toHaveValue(
    new RegExp(createHash('sha256').update(other).digest('hex')),
  );
  const line = page.getByRole('region', { name: 'Why docker images shows what it shows' }).getByRole('table');
  await expect(line.getByRole('row').last()).toHaveText(/^example1[0-9a-f]{12}.+\D45 B$/);
  await expectAccessible(page);
  await expectNarrow(page, 'Identity');
});

test('a stored image’s views have addresses of their own', async ({ page }) => {
  await openStored(page);
  const views = page.getByRole('navigation', { name: 'Views of the image' });
  for (const [name, heading] of [
    ['Papers', 'Config'],
    ['Identity', 'Change the config'],
    ['Waste', 'By path'],
  ]) {
    await views.getByRole('link', { name }).click();
    await page.reload();
    await expect(page.getByRole('heading', { name: heading })).toBeVisible();
  }
  await page.getByRole('region', { name: 'By path' }).getByRole('link').first().click();
  await expect(page.getByRole('region', { name: 'Path' })).toBeVisible();
});
