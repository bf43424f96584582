import type { Page } from '@playwright/test';
import { asFile, dockerSave, example } from './archives.ts';

import { expectAccessible, expectFits, expectLoaded, test as served } from './fixtures.ts';

import { expect, goTo, openFile, test } from './site.ts';

// On a screen of 360 pixels all that can be pressed, chosen or filled is in
// sight, or in something that says by its name that it is scrolled sideways.
const width = 360;

/** What can be used and lies outside of the screen, or is cut by what it lies in. */
function outside(page: Page): Promise<string[]> {
  return page.evaluate((most) => {
    const out: string[] = [];
    for (const e of document.querySelectorAll(
      'a, button, input, select, textarea, summary, [tabindex="0"]',
    )) {
      const box = e.getBoundingClientRect();
      if (box.width === 0 || box.height === 0 || !e.checkVisibility({ visibilityProperty: true })) continue;
      let left = 0;
      let right = most;
      let aside = false;
      for (let p = e.parentElement; p; p = p.parentElement) {
        const style = getComputedStyle(p);
        if (style.clipPath !== 'none') aside = true; // for those who listen
        if (style.overflowX === 'visible') continue;
        // Tables and bytes are scrolled, and what holds them takes the keyboard.
        if (p.matches('.sideways, pre, code, .xterm, [tabindex="0"]') && p.scrollWidth > p.clientWidth)
          aside = true;
        const around = p.getBoundingClientRect();
        left = Math.max(left, around.left);
        right = Math.min(right, around.right);
      }
      if (aside || getComputedStyle(e).clipPath !== 'none' || e.closest('.visually-hidden')) continue;
      if (box.left < left - 1 || box.right > right + 1)
        out.push(
          `${e.tagName.toLowerCase()} “${(e.textContent ?? '').trim().slice(0, 30)}” ${box.left}–${box.right}`,
        );
    }
    return out;
  }, width);
}

async function expectInside(page: Page, what: string): Promise<void> {
  await expectLoaded(page);
  expect(await outside(page), what).toEqual([]);
  await expectFits(page, what);
}

for (const locale of ['en-GB', 'zh-CN']) {
  test.describe(locale, () => {
    test.use({ locale, viewport: { width, height: 740 } });
    test('at 360 pixels every control of every view without a server is in sight', async ({ page, site }) => {
      test.setTimeout(90_000);
      for (const hash of ['', '#/words', '#/lessons', '#/preview']) {
        await page.goto(site + hash);
        await expectInside(page, hash || 'the first page');
      }
      await openFile(
        page,
        site,
        asFile('example.tar', dockerSave([example, { ...example, tag: 'other:2' }])),
      );
      for (const view of [
        '',
        '?path=bin/my-app-tools',
        '?dockerfile',
        '/player?step=4',
        '/diff?from=0',
        '/waste',
        '/papers',
        '/identity',
      ]) {
        await goTo(page, view);
        await expectInside(page, view || 'the tree');
        if (view.startsWith('?') || view === '') {
          const panes = page.getByRole('group', { name: /^(Panes|面板)$/ });
          await panes.getByRole('button', { name: /^(Layers|层)$/ }).click();
          await expectInside(page, `${view || 'the tree'}: its layers`);
          await panes.getByRole('button', { name: /^(Files|文件)$/ }).click();
        }
      }
    });
  });
}

test.describe('a finger', () => {
  test.use({ viewport: { width, height: 740 }, hasTouch: true });
  test('at 360 pixels the tree is sorted, folded and narrowed down by touch, and by keyboard', async ({
    page,
    site,
  }) => {
    const layer = [
      { name: 'a/' },
      { name: 'a/small', content: '1' },
      { name: 'b/' },
      { name: 'b/large', content: Buffer.alloc(5000) },
    ];
    await openFile(page, site, asFile('sorted.tar', dockerSave([{ tag: 'sorted:1', layers: [layer] }])));
    const rows = () => page.locator('.row:not([hidden]) > .text').allInnerTexts();
    const more = page.getByRole('button', { name: 'Filter, sort and fold' });
    const menu = page.getByRole('group', { name: 'Filter, sort and fold' });
    await more.tap();
    await expectInside(page, 'the menu of the tree');
    await expectAccessible(page);
    await menu.getByRole('button', { name: 'Fold all', exact: true }).tap();
    await expect(menu).toBeHidden();
    await expect(page.getByRole('treeitem')).toHaveCount(2);
    await more.tap();
    await menu.getByRole('button', { name: 'By size' }).tap();
    await expect.poll(rows).toEqual(['b', 'a']);
    // And with the keys that every menu has.
    await more.press('Enter');
    await expect(menu.getByRole('button', { name: 'By size' })).toHaveAttribute('aria-pressed', 'true');
    await menu.getByRole('button', { name: 'Unfold all' }).focus();
    await page.keyboard.press('Enter');
    await expect(menu).toBeHidden();
    await expect.poll(rows).toEqual(['b', 'large', 'a', 'small']);
    await more.tap();
    await menu.getByRole('button', { name: 'Symbolic links' }).tap();
    await expect(page.getByRole('searchbox')).toHaveValue('type:l');
  });
});

served.describe('with a server', () => {
  served.use({ viewport: { width, height: 740 } });
  served('at 360 pixels every control of lists and containers is in sight', async ({ page }) => {
    served.setTimeout(90_000);
    for (const hash of ['/#/', '/#/?list=tree', '/#/volumes', '/#/networks', '/#/activity', '/#/lessons']) {
      await page.goto(hash);
      await expectInside(page, hash);
    }
    await page.goto('/#/');
    await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
    await expectInside(page, 'the dialog of run');
    await page.getByRole('dialog').getByLabel('Command').fill('sh');
    await page.getByRole('dialog').getByRole('button', { name: 'Run', exact: true }).click();
    await expect(page.getByText('Connected')).toBeVisible();
    const address = new URL(page.url()).hash;
    for (const tab of ['', '/plan', '/trace', '/live', '/inside', '/inside/papers']) {
      await page.goto(`/${address}${tab}`);
      await expectInside(page, `a container${tab}`);
    }
  });
});
