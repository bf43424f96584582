import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { asFile } from './archives.ts';
import { expectLoaded } from './fixtures.ts';
import { shop } from './shop.ts';
import { expect, goTo, openFile, test } from './site.ts';

// The main views beside the pictures in pictures/, in both languages and both
// themes. `make pictures` takes them anew. Sizes, ids and times are the same
// everywhere; fonts are the page's own and, for Chinese, Debian's fonts-noto-cjk.
// Another Chromium may draw them otherwise: pictures/chromium.txt tells which one
// they are of.
const taken = new URL('pictures/chromium.txt', import.meta.url);

const views = [
  ['files', '?after=3&path=srv/app/.env'],
  ['dockerfile', '?after=2&dockerfile'],
  ['player', '/player?step=20'],
  ['compare', '/diff?after=3&from=2'],
  ['waste', '/waste'],
  ['identity', '/identity'],
] as const;

for (const [locale, language] of [
  ['en-GB', 'en'],
  ['zh-CN', 'zh'],
] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${language}, ${colorScheme}`, () => {
      test.use({ locale, colorScheme, viewport: { width: 1200, height: 760 } });
      test('the main views look as they did', async ({ page, site, browser }) => {
        test.setTimeout(180_000);
        const now = browser.version();
        if (test.info().config.updateSnapshots !== 'missing') await writeFile(taken, `${now}\n`);
        const then = (await readFile(taken, 'utf8')).trim();
        test.skip(then !== now, `the pictures are of Chromium ${then}, this one is ${now}: make pictures`);
        test.skip(language === 'zh' && !chinese(), 'there is no font for Chinese: install fonts-noto-cjk');
        await page.clock.setFixedTime('2026-11-01T12:00:00Z');
        await page.emulateMedia({ reducedMotion: 'reduce' });
        await openFile(page, site, asFile('shop.tar', shop()));
        for (const [name, view] of views) {
          await goTo(page, view);
          await expectLoaded(page);
          if (name === 'waste') await expect(page.locator('#duplicates-title ~ ul').first()).toBeVisible();
          await page.evaluate(() => document.fonts.ready);
          await expect(page).toHaveScreenshot(`${name}-${language}-${colorScheme}.png`, {
            // How long the reading took.
            mask: [page.locator('main > .bar')],
            maskColor: '#808080',
          });
        }
      });
    });
  }
}

/** Whether this machine has the font that the pictures were taken with. */
function chinese(): boolean {
  try {
    return execFileSync('fc-list', [':lang=zh', 'family'], { encoding: 'utf8' }).includes('Noto Sans CJK');
  } catch {
    return false;
  }
}
