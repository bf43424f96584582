import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';

// The pictures of README.md and README.zh.md, taken from the running page. They
// say what the page shows and fail where it no longer does.

const picture = (name: string) => ({
  path: fileURLToPath(new URL(`../../web/screenshots/${name}.png`, import.meta.url)),
});

async function showSample(page: Page): Promise<void> {
  await page.goto('/');
  await page.getByRole('link', { name: 'layerlab/sample:latest' }).first().click();
  await expect(page.getByRole('heading', { name: 'layerlab/sample:latest' })).toBeVisible();
  await page.goto(`${page.url()}?after=2&path=etc/my-app-config`);
  await page.getByRole('searchbox').fill('my-app');
  await expect(page.getByRole('treeitem').filter({ hasText: 'my-app-tools' })).toBeVisible();
}

test('the sample image', async ({ page }) => {
  await showSample(page);
  await page.screenshot(picture('image'));
});

test.describe('in Chinese', () => {
  test.use({ locale: 'zh-CN' });
  test('the sample image', async ({ page }) => {
    await showSample(page);
    await page.screenshot(picture('image.zh'));
  });
});

test('a container', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Connected')).toBeVisible();
  await page.locator('.xterm-helper-textarea').focus();
  for (const line of [
    'cat /etc/os-release',
    'echo "debug = true" >> /bin/my-app-tools',
    'rm /etc/my-app.d/active.cfg',
    'mkdir /srv && echo 你好 > /srv/hello',
    'ls --color /',
  ]) {
    await page.keyboard.type(line);
    await page.keyboard.press('Enter');
  }
  const layer = page.getByRole('list', { name: 'Paths written' });
  await expect(layer.getByRole('listitem').filter({ hasText: '/srv/hello' })).toBeVisible();
  await expect(layer.getByRole('listitem').filter({ hasText: 'active.cfg' })).toBeVisible();
  await page.screenshot(picture('container'));
});
