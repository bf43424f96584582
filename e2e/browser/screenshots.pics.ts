import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';
import { writeGrown } from './grown.ts';

// The pictures of README.md and README.zh.md, taken from the running page. They
// say what the page shows and fail where it no longer does.

const picture = (name: string, language: string) => ({
  path: fileURLToPath(
    new URL(`../../web/screenshots/${name}${language === 'en' ? '' : `.${language}`}.png`, import.meta.url),
  ),
});

const layerViews = (page: Page) => page.locator('main nav').first();

for (const [locale, language] of [
  ['en-GB', 'en'],
  ['zh-CN', 'zh'],
] as const) {
  test.describe(language, () => {
    test.use({ locale, viewport: { width: 1280, height: 800 } });

    test('an image: its layers, the merged tree, where a path comes from', async ({
      page,
      request,
      given,
    }) => {
      const sample = await sampleID(request, given);
      await page.goto(`/#/images/${sample}?after=2&path=etc/my-app-config`);
      await page.getByRole('searchbox').fill('my-app');
      await expect(page.getByRole('treeitem').filter({ hasText: 'my-app-tools' })).toBeVisible();
      await expect(page.getByText('.wh.my-app-config').first()).toBeVisible();
      await page.screenshot(picture('image', language));
    });

    test('a container: its terminal and its layer; under the hood', async ({ page, request, given }) => {
      const headers = { Authorization: `Bearer ${given.secret}` };
      const made = await request.post('/api/v1/containers', {
        headers,
        data: { image: 'layerlab/sample:latest', name: `shell-${language}`, command: ['sh'], tty: true },
      });
      const { id } = (await made.json()) as { id: string };
      await request.post(`/api/v1/containers/${id}/start`, { headers });
      await page.goto(`/#/containers/${id}`);
      await expect(page.locator('.xterm-rows')).toContainText('#');
      await page.locator('.xterm-helper-textarea').focus();
      const paths = page.locator('main ul[aria-label] code');
      for (const [line, path] of [
        ['cat /etc/os-release', ''],
        ['echo "debug = true" >> /bin/my-app-tools', '/bin/my-app-tools'],
        ['rm /etc/my-app.d/active.cfg', '/etc/my-app.d/active.cfg'],
        ['mkdir /srv && echo 你好 > /srv/hello', '/srv/hello'],
        ['ls --color /', ''],
      ]) {
        await page.keyboard.type(line);
        await page.keyboard.press('Enter');
        if (path) await expect(paths.getByText(path, { exact: true })).toBeVisible();
      }
      await page.screenshot(picture('container', language));
      await page.goto(`/#/containers/${id}/live`);
      await expect(page.getByText('CapEff').or(page.getByText('user')).first()).toBeVisible();
      await page.locator('.xterm-helper-textarea').focus();
      await page.keyboard.type('for i in 1 2 3 4 5 6; do gzip -c /bin/sh >/tmp/z; done');
      await page.keyboard.press('Enter');
      await expect(page.locator('polyline').first()).toHaveAttribute('points', /(\S+ ){4}/, {
        timeout: 20_000,
      });
      await page.screenshot(picture('hood', language));
    });

    test('a merge, played; the naive way beside it', async ({ page }) => {
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.goto('/#/');
      await page.getByRole('button', { name: /^(Play a merge|播放一次合并)/ }).click();
      const which = page.getByRole('combobox').first();
      const label = await which.locator('option', { hasText: 'case/opaque-last' }).textContent();
      await which.selectOption({ label: label ?? '' });
      await page.getByRole('slider').first().fill('7');
      await page.screenshot(picture('player', language));
    });

    test('400 MB larger: which commands did it', async ({ page }, info) => {
      const path = info.outputPath('grown.tar');
      writeGrown(path);
      await page.goto('/#/preview');
      await page.getByTestId('look-input').setInputFiles(path);
      await page.getByRole('combobox').first().selectOption({ index: 1 });
      await layerViews(page).locator('a[href*="/diff"]').click();
      await page.getByRole('combobox').nth(1).selectOption({ label: 'shop:1' });
      await expect(page.getByText('+400 MB')).toBeVisible();
      await page.screenshot(picture('compare', language));
    });
  });
}

async function sampleID(
  request: import('@playwright/test').APIRequestContext,
  given: { secret: string },
): Promise<string> {
  const answer = await request.get('/api/v1/images', {
    headers: { Authorization: `Bearer ${given.secret}` },
  });
  const { images } = (await answer.json()) as { images: { id: string; refs: string[] }[] };
  return images.find((i) => i.refs.includes('layerlab/sample:latest'))?.id ?? '';
}
