import { asFile, dockerSave, example } from './archives.ts';
import { axe, expectAccessible, expectFits, expectLoaded } from './fixtures.ts';
import { expect, goTo, openFile, openSample, test } from './site.ts';

// Every view of an image, by its address.
const views = [
  '?after=2&path=etc/my-app-config',
  '?only=3&dockerfile&scale=bytes',
  '/player',
  '/diff?after=3&from=1',
  '/waste',
  '/papers',
  '/identity',
];

for (const [name, media, width] of [
  ['light and wide', { colorScheme: 'light' }, 1280],
  ['dark and 360 px wide', { colorScheme: 'dark' }, 360],
] as const) {
  test(`every view without a violation, ${name}`, async ({ page, site }) => {
    test.setTimeout(180_000);
    await page.emulateMedia({ ...media, reducedMotion: 'reduce' });
    await openSample(page, site);
    await page.setViewportSize({ width, height: 800 });
    for (const view of views) {
      await goTo(page, view);
      await expectLoaded(page);
      await expectAccessible(page);
      await expectFits(page, view);
    }
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`more contrast where it is asked for: 7:1, ${colorScheme}`, async ({ page, site }) => {
    test.setTimeout(180_000);
    await page.emulateMedia({ colorScheme, contrast: 'more', reducedMotion: 'reduce' });
    await openSample(page, site);
    for (const view of views) {
      await goTo(page, view);
      await expectLoaded(page);
      const found = await axe(page).withRules(['color-contrast-enhanced']).analyze();
      expect(
        found.violations.flatMap((v) =>
          v.nodes.map((n) => `${view} ${n.target.join(' ')} ${n.any[0]?.message}`),
        ),
      ).toEqual([]);
    }
  });
}

test('in the system’s own colours what is chosen and what is marked has a line around it', async ({
  page,
  site,
}) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await openFile(page, site, asFile('example.tar', dockerSave([example])));
  await goTo(page, '?after=1');
  const pressed = page.getByRole('button', { name: 'Merged tree' });
  await expect(pressed).toHaveCSS('outline-style', 'solid');
  const glyph = page.getByRole('treeitem').filter({ hasText: 'added' }).first().locator('.glyph').first();
  await expect(glyph).toHaveCSS('border-top-style', 'solid');
  const [line, ground] = await glyph.evaluate((g) => {
    const body = document.createElement('p');
    body.style.color = 'CanvasText';
    document.body.append(body);
    return [getComputedStyle(g).stroke, getComputedStyle(body).color];
  });
  expect(line).toBe(ground);
});

test('for readers who want less motion nothing moves', async ({ page, site }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await openSample(page, site);
  for (const view of ['?after=1', '/player', '/waste']) {
    await goTo(page, view);
    const moving = await page.evaluate(() =>
      document
        .getAnimations()
        .filter((a) => Number(a.effect?.getComputedTiming().duration) > 1)
        .map((a) => (a as CSSTransition).transitionProperty ?? 'animation'),
    );
    expect(moving, view).toEqual([]);
  }
});
