import { truncateSync, writeFileSync } from 'node:fs';
import { asFile, dockerSave, example, tar } from './archives.ts';
import { corpusFile, expect, expectAccessible, expectFits, look, test } from './fixtures.ts';
import { goTo } from './site.ts';

test('a file is shown layer by layer and nothing is sent', async ({ page }) => {
  const sent: string[] = [];
  page.on('request', (r) => {
    if (r.method() === 'POST' && !r.url().endsWith('/tickets')) sent.push(r.url());
  });
  await look(page, asFile('example.tar', dockerSave([example])));
  await expect(page.getByRole('heading', { name: 'example:1' })).toBeVisible();
  const layers = page.getByRole('region', { name: 'Layers' });
  const tree = page.getByRole('tree');
  await expect(layers.getByRole('listitem')).toHaveCount(3);

  // After the second layer: one added, one changed, one deleted.
  await layers.getByRole('button', { name: /step-1/ }).click();
  await expect(tree.getByRole('treeitem', { name: /my-app-tools/ })).toContainText('changed');
  await expect(tree.getByRole('treeitem', { name: /my-app-config/ })).toContainText('deleted');
  await expect(tree.getByRole('treeitem', { name: /default\.cfg/ })).toContainText('added');

  // The layer alone shows its whiteout, the third its opaque mark.
  await page.getByRole('button', { name: 'This layer only' }).click();
  await expect(tree.getByRole('treeitem', { name: /my-app-config/ })).toContainText('whiteout');
  await layers.getByRole('button', { name: /step-2/ }).click();
  await expect(tree.getByRole('treeitem', { name: /my-app\.d/ })).toContainText('opaque');
  expect(sent).toEqual([]);
});

test('the provenance of a path tells who wrote and who hid it, with byte offsets', async ({ page }) => {
  await look(page, asFile('example.tar', dockerSave([example])));
  await page
    .getByRole('region', { name: 'Layers' })
    .getByRole('button', { name: /step-1/ })
    .click();
  await page.getByRole('treeitem', { name: /my-app-config/ }).click();
  const panel = page.getByRole('region', { name: 'Path' });
  await expect(panel).toContainText('Layer 0 added it');
  await expect(panel).toContainText('hidden by a whiteout of layer 1');
  await expect(panel).toContainText(/entry at byte \d+/);
  await expect(panel).toContainText('old config');
  // The whiteout in its two forms, beside one another.
  const archive = panel.getByText('In the archive.wh.my-app-config');
  const disk = panel.getByText('On disk, for overlayfsmy-app-config');
  await expect(disk).toContainText('c 0:0');
  const [left, right] = [await archive.boundingBox(), await disk.boundingBox()];
  expect(left?.y).toBe(right?.y);
  await page.getByRole('treeitem', { name: /my-app-tools/ }).click();
  await expect(panel).toContainText('better tools');
  await expect(panel.getByText('Not as before: size, content')).toHaveCount(1);
});

test('the tree and the stack are used by keyboard alone', async ({ page }) => {
  await look(page, asFile('example.tar', dockerSave([example])));
  const tree = page.getByRole('tree');
  await tree.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await expect(tree).toHaveAttribute('aria-activedescendant', /node-\d+/);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('region', { name: 'Path' })).toContainText('/bin/my-app-tools');
  await page.getByRole('slider').focus();
  await page.keyboard.press('ArrowLeft');
  await expect(tree).toHaveAccessibleName('After layer 1');
  await page.keyboard.press('ArrowLeft');
  await expect(tree).toHaveAccessibleName('After layer 0');
});

test('a filter keeps hits and their folders', async ({ page }) => {
  await look(page, asFile('example.tar', dockerSave([example])));
  await page.getByRole('searchbox').fill('d/other');
  await expect(page.getByRole('treeitem')).toHaveCount(3);
  await page.getByRole('searchbox').fill('nothing like it');
  await expect(page.getByText('Nothing here has that name.')).toBeVisible();
  await expectAccessible(page);
});

test('several images of one archive can be chosen', async ({ page }) => {
  const other = { tag: 'other:2', layers: [[{ name: 'only-here', content: 'x' }]] };
  await look(page, asFile('two.tar', dockerSave([example, other])));
  await page.getByRole('combobox').selectOption({ label: 'other:2 · linux/amd64' });
  await expect(page.getByRole('treeitem', { name: /only-here/ })).toBeVisible();
});

test('a name that leaves the root is left out with a warning that says where', async ({ page }) => {
  const bad = {
    tag: 'bad:1',
    layers: [
      [
        { name: '../../etc/shadow', content: 'x' },
        { name: 'fine', content: 'y' },
      ],
    ],
  };
  await look(page, asFile('bad.tar', dockerSave([bad])));
  await page.getByText('2 warnings').click();
  const warnings = page.getByRole('group').filter({ hasText: '2 warnings' }).getByRole('listitem');
  await expect(warnings).toHaveCount(2);
  await expect(warnings.nth(0)).toContainText('A name leads out of the root file system.');
  await expect(warnings.nth(0)).toContainText('Layer 0');
  await expect(warnings.nth(0)).toContainText('../../etc/shadow');
  // Engines keep such a name within the root instead: with them there is an /etc.
  await expect(warnings.nth(1)).toContainText('An engine shows /etc otherwise than the specification.');
  await expect(warnings.nth(1)).toContainText('otherwise in: Docker, containerd, umoci');
  await expect(page.getByRole('treeitem')).toHaveCount(1);
  await expect(page.getByRole('treeitem')).toContainText('fine');
  await goTo(page, '?lens=umoci');
  await expect(page.getByRole('treeitem', { name: /shadow/ })).toBeVisible();
});

test('what is no image is refused in words, in both languages', async ({ page }) => {
  const broken = dockerSave([example]);
  await look(page, asFile('cut.tar', broken.subarray(0, 4096)));
  await expect(page.getByRole('alert')).toContainText('cut.tar cannot be read');
  await look(page, asFile('noise.bin', Buffer.alloc(5000, 'noise')));
  await expect(page.getByRole('alert')).toContainText('noise.bin cannot be read');
  await page.getByRole('button', { name: '中文' }).click();
  await expect(page.getByRole('alert')).toContainText('无法读取 noise.bin');
});

test('reading can be canceled', async ({ page }, info) => {
  // A file of three gigabytes without a config: all of it has to be hashed.
  const path = info.outputPath('big.tar');
  writeFileSync(path, tar([{ name: 'big', size: 3 * 2 ** 30 }]).subarray(0, 512));
  truncateSync(path, 3 * 2 ** 30 + 2048);
  await look(page, path);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('heading', { name: 'Look into a file' })).toBeVisible();
});

test('reading can be paused and goes on, and a pause is no time that it took', async ({ page }, info) => {
  // A sparse layer of 6 GB, all of which has to be hashed.
  const layer = tar([{ name: 'big', size: 6 * 2 ** 30 }]).subarray(0, 512);
  const path = info.outputPath('long.tar');
  writeFileSync(path, layer);
  truncateSync(path, 6 * 2 ** 30 + 2048);
  await look(page, path);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('progressbar', { name: 'Paused' })).toBeVisible();
  const bar = page.getByRole('progressbar');
  const at = () => bar.evaluate((b) => (b as HTMLProgressElement).value);
  // A last word of the core may be on its way; after two that are alike it holds.
  let held = -1;
  await expect
    .poll(async () => {
      const before = held;
      held = await at();
      return held === before;
    })
    .toBe(true);
  expect(held).toBeLessThan(1);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect.poll(at).toBeGreaterThan(held);
  await expect(page.getByRole('progressbar', { name: 'Reading headers' })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
});

test('dive’s test image shows its two whiteouts', async ({ page }) => {
  const file = corpusFile('docker-save/docker-18.09-dive-test-14-layers.tar');
  test.skip(file === null, 'the corpus is not on this machine (LAYERLAB_CORPUS)');
  await look(page, file ?? '');
  const layers = page.getByRole('region', { name: 'Layers' });
  await expect(layers.getByRole('button', { name: /^\d+ / })).toHaveCount(14);
  const hidden: string[] = [];
  await page.getByRole('button', { name: 'This layer only' }).click();
  for (let n = 0; n < 14; n++) {
    await layers.locator(`[data-layer="${n}"]`).click();
    await expect(page.getByRole('tree')).toHaveAccessibleName(`Only layer ${n}`);
    if (n === 0) continue; // 400 links of busybox, no whiteout
    hidden.push(...(await page.getByRole('treeitem').filter({ hasText: 'whiteout' }).allInnerTexts()));
  }
  expect(hidden.map((h) => h.replace(/\s+/g, ' ').trim().split(' ')[1])).toEqual([
    'somefile3.txt',
    'example',
  ]);
});

for (const scheme of ['light', 'dark'] as const) {
  test(`the preview is accessible, ${scheme}, wide and narrow`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.goto('/#/preview');
    await expectAccessible(page);
    await look(page, asFile('example.tar', dockerSave([example])));
    await page
      .getByRole('region', { name: 'Layers' })
      .getByRole('button', { name: /step-1/ })
      .click();
    await page.getByRole('treeitem', { name: /my-app-config/ }).click();
    await expectAccessible(page);
    await page.setViewportSize({ width: 360, height: 740 });
    for (const tab of ['Layers', 'Files', 'Path']) {
      await page.getByRole('group', { name: 'Panes' }).getByRole('button', { name: tab }).click();
      await expectAccessible(page);
      await expectFits(page, tab);
    }
  });
}
