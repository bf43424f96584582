import { statSync } from 'node:fs';
import { asFile, dockerSave, example } from './archives.ts';
import { expectAccessible } from './fixtures.ts';
import { expect, goTo, openSample, test } from './site.ts';

test('the sample image without a server: files, layers, waste, papers, identity, comparison', async ({
  page,
  site,
}) => {
  await page.goto(site);
  await expectAccessible(page);
  await page.getByRole('button', { name: 'The sample image' }).click();
  await expect(page.getByRole('heading', { name: 'layerlab/sample:latest' })).toBeVisible();
  await page.getByRole('searchbox').fill('my-app');
  await expect(page.getByRole('treeitem').filter({ hasText: 'my-app-tools' })).toBeVisible();
  for (const [tab, text] of [
    ['Waste', 'my-app-config'],
    ['Papers', 'rootfs'],
    ['Identity', 'chainID'],
    ['Compare', 'Which command made the bytes'],
  ]) {
    await page.getByRole('link', { name: tab, exact: true }).click();
    await expect(page.getByText(text).first()).toBeVisible();
  }
});

test('a file of one’s own', async ({ page, site }) => {
  await page.goto(`${site}#/preview`);
  await page.getByTestId('look-input').setInputFiles(asFile('example.tar', dockerSave([example])));
  await expect(page.getByRole('heading', { name: 'example:1' })).toBeVisible();
});

test('the merge, step by step, and where the naive way parts from it', async ({ page, site }) => {
  await page.goto(site);
  await page.getByRole('button', { name: 'Play a merge' }).click();
  const which = page.getByRole('combobox').first();
  const label = await which.locator('option', { hasText: 'case/opaque-last' }).textContent();
  await which.selectOption({ label: label ?? '' });
  const player = page.getByRole('region', { name: 'Merge', exact: true });
  await player.getByRole('button', { name: 'Step', exact: true }).click();
  await expect(player.getByText('/a is new.')).toBeVisible();
  await player.getByRole('button', { name: 'Where the two part' }).click();
  await expect(player.getByText('An opaque whiteout hides all')).toBeVisible();
  const naive = player.getByRole('region', { name: 'Extracted in order' });
  await expect(naive.getByText('deleted by mistake')).toHaveCount(1);
  await expect(player.getByText('1 path differs from what it has to be.')).toBeVisible();
  await player.getByRole('slider', { name: 'Moment of the merge' }).fill('0');
  await expect(player.getByText('Nothing is merged yet.', { exact: false })).toBeVisible();
  // By keyboard alone, and by itself.
  await player
    .getByRole('button', { name: 'Step back' })
    .focus()
    .catch(() => undefined);
  await page.keyboard.press('ArrowRight');
  await player.getByRole('combobox', { name: 'Speed' }).selectOption('8 ×');
  await player.getByRole('button', { name: 'Play' }).click();
  await expect(player.getByRole('button', { name: 'Play' })).toBeVisible();
  await expect(naive.getByText('deleted by mistake')).toHaveCount(1);
  await expectAccessible(page);
});

test('a file’s header in the tar, its versions side by side, and where a link leads', async ({
  page,
  site,
}) => {
  await page.goto(site);
  await page.getByRole('button', { name: 'The sample image' }).click();
  await page.getByRole('searchbox').fill('my-app-tools type:f');
  await page.getByRole('treeitem').filter({ hasText: 'my-app-tools' }).click();
  const panel = page.getByRole('region', { name: 'Path' });
  await panel
    .getByText(/^entry at byte/)
    .first()
    .click();
  await expect(panel.getByText('bin/my-app-tools', { exact: true }).first()).toBeVisible();
  await expect(panel.getByText('ustar').first()).toBeVisible();
  // The bytes scroll by themselves: the panel does not grow wider than its place.
  expect(await panel.evaluate((e) => e.scrollWidth - e.clientWidth)).toBe(0);
  await panel.getByText('Versions side by side').click();
  await expect(
    panel.getByRole('region', { name: 'Versions side by side' }).getByRole('row').first(),
  ).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('searchbox').fill('type:l');
  await page.getByRole('treeitem').filter({ hasText: '→' }).first().click();
  await panel.getByRole('button', { name: 'Follow' }).click();
  await expect(panel.getByText('file', { exact: true })).toBeVisible();
  const download = page.waitForEvent('download');
  await panel.getByRole('button', { name: 'Download' }).click();
  expect(statSync(await (await download).path()).size).toBeGreaterThan(1_000_000);
});

test('a picture is drawn, a text has the colours of its language and stays a text', async ({
  page,
  site,
}) => {
  const dot =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
  const files = [
    { name: 'dot.png', content: Buffer.from(dot, 'base64') },
    { name: 'half.png', content: Buffer.from(dot, 'base64').subarray(0, 40) },
    { name: 'page.html', content: '<!-- a remark --><img src=x onerror="document.title = 1">\n' },
  ];
  await page.goto(`${site}#/preview`);
  await page.getByTestId('look-input').setInputFiles(asFile('files.tar', dockerSave([{ layers: [files] }])));
  const panel = page.getByRole('region', { name: 'Path' });
  const open = (name: string) => page.getByRole('treeitem', { name }).click();
  await open('dot.png');
  await expect(panel.getByText('image/png 1 × 1')).toBeVisible();
  const canvas = panel.locator('canvas');
  const drawn = await canvas.evaluate((c: HTMLCanvasElement) =>
    Math.max(...(c.getContext('2d')?.getImageData(0, 0, 1, 1).data ?? [])),
  );
  expect(drawn).toBeGreaterThan(0);
  await expectAccessible(page);
  await open('half.png');
  await expect(panel.getByText('This is no picture that the browser can draw.')).toBeVisible();
  await panel.getByRole('checkbox', { name: 'Hexadecimal' }).check();
  await expect(panel.getByText('PNG').first()).toBeVisible();
  await open('page.html');
  const text = panel.getByRole('region', { name: 'Content of page.html' });
  await expect(text.locator('.hljs-comment')).toHaveText('<!-- a remark -->');
  await expect(text.locator('img')).toHaveCount(0);
  await expect(text).toContainText('onerror="document.title = 1"');
});

test('a step of the slider goes to what the layer changed and flashes it', async ({ page, site }) => {
  await openSample(page, site);
  await goTo(page, '?after=1');
  const flashed = await page.getByRole('tree').evaluateHandle((tree) => {
    const rows: string[] = [];
    tree.addEventListener('animationstart', (e) => rows.push((e.target as Element).className));
    return rows;
  });
  await page.getByRole('tree').focus();
  await page.keyboard.press(']');
  await expect(page.getByRole('treeitem', { name: 'my-app-tools' })).toBeInViewport();
  await expect.poll(() => flashed.evaluate((rows) => rows.length)).toBeGreaterThan(0);
  for (const row of await flashed.jsonValue()) expect(row).toMatch(/added|changed|deleted/);
});

test('the tree by the keys of vim', async ({ page, site }) => {
  await page.goto(site);
  await page.getByRole('button', { name: 'The sample image' }).click();
  const tree = page.getByRole('tree');
  await tree.focus();
  await page.keyboard.press('/');
  await page.keyboard.type('is:deleted');
  await page.keyboard.press('Enter');
  await expect(tree).toBeFocused();
  await page.keyboard.press('[');
  await expect(page).toHaveURL(/after=\d/);
  await page.keyboard.press('d');
  await expect(page.getByRole('searchbox')).toHaveValue('');
  await page.keyboard.press('g');
  await page.keyboard.press('j');
  await page.keyboard.press('h');
  await page.keyboard.press('s');
  await expect(page.getByRole('button', { name: 'By size' })).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('Words of the filter');
  await expectAccessible(page);
  await page.keyboard.press('Escape');
  await tree.focus();
  await page.keyboard.press('w');
  await expect(page).toHaveURL(/\/waste/);
});

test('one view in a frame: the sample, as the address says', async ({ page, site }) => {
  await page.goto(`${site}?embed=sample#/preview?after=2&path=etc/my-app-config`);
  await expect(page.getByRole('region', { name: 'Path', exact: true })).toContainText('etc/my-app-config');
  await expect(page.getByRole('tree')).toHaveAccessibleName('After layer 2');
  await expect(page.getByRole('banner')).toHaveCount(0);
  await expectAccessible(page);
  const [whole] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('link', { name: 'Open in layerlab' }).click(),
  ]);
  await expect(whole.getByRole('banner')).toBeVisible();
});
