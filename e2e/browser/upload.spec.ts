import { readFileSync, writeFileSync } from 'node:fs';
import { asFile, dockerSave, example, tar } from './archives.ts';
import { expect, expectAccessible, look, test } from './fixtures.ts';

test('the sample images are there at first start', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('article').filter({ hasText: 'layerlab/sample:latest' })).toContainText(
    'Sample',
  );
  await expectAccessible(page);
});

test('what was previewed is uploaded, stored and shows the same', async ({ page }) => {
  await look(page, asFile('example.tar', dockerSave([{ ...example, tag: 'uploaded:1' }])));
  await page
    .getByRole('region', { name: 'Layers' })
    .getByRole('button', { name: /step-1/ })
    .click();
  await expect(page.getByRole('tree')).toHaveAccessibleName('After layer 1');
  const before = await page.getByRole('treeitem').allInnerTexts();
  expect(before.length).toBeGreaterThan(5);
  await page.getByRole('button', { name: 'Upload this' }).click();
  await expect(page.getByText('example.tar is stored')).toBeVisible();
  await page
    .getByRole('listitem', { name: 'Upload of example.tar' })
    .getByRole('link', { name: 'uploaded:1' })
    .click();
  await page
    .getByRole('region', { name: 'Layers' })
    .getByRole('button', { name: /step-1/ })
    .click();
  await expect(page.getByRole('tree')).toHaveAccessibleName('After layer 1');
  expect(await page.getByRole('treeitem').allInnerTexts()).toEqual(before);

  // A stored file's bytes come from the server.
  await page.getByRole('treeitem', { name: /my-app-tools/ }).click();
  await expect(page.getByRole('region', { name: 'Path' })).toContainText('better tools');
  await expectAccessible(page);

  // The address holds the view.
  await page.reload();
  await expect(page.getByRole('tree')).toHaveAccessibleName('After layer 1');
  await expect(page.getByRole('region', { name: 'Path' })).toContainText('better tools');
});

test('an upload can be held and goes on', async ({ page }, info) => {
  const slow = await page.context().newCDPSession(page);
  const limit = (uploadThroughput: number) =>
    slow.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  await limit(4e6);
  const big = { tag: 'held:1', layers: [[{ name: 'big', content: Buffer.alloc(40e6, 'layer') }]] };
  // As a file: bytes that the test hands over go through two processes as text.
  const path = info.outputPath('held.tar');
  writeFileSync(path, dockerSave([big]));
  await page.getByTestId('upload-input').setInputFiles(path);
  const item = page.getByRole('listitem', { name: 'Upload of held.tar' });
  await item.getByRole('button', { name: 'Pause' }).click();
  await expect(item.getByText('Paused: nothing is sent')).toBeVisible();
  // What the connection can hold is still sent; after that nothing is.
  await limit(-1);
  const sent = () => item.getByRole('progressbar').evaluate((b) => (b as HTMLProgressElement).value);
  let before = -1;
  await expect
    .poll(
      async () => {
        const was = before;
        before = await sent();
        return before === was;
      },
      { intervals: [500] },
    )
    .toBe(true);
  expect(before).toBeLessThan(1);
  await item.getByRole('button', { name: 'Resume' }).click();
  await expect(item.getByText('held.tar is stored')).toBeVisible();
});

test('an image is saved, flattened and deleted', async ({ page }) => {
  await page.goto('/');
  await page
    .getByTestId('upload-input')
    .setInputFiles(asFile('gone.tar', dockerSave([{ ...example, tag: 'gone:1' }])));
  await expect(page.getByText('gone.tar is stored')).toBeVisible();
  const more = page.getByRole('button', { name: 'More for gone:1' });
  for (const [button, holds] of [
    ['Save as archive', 'manifest.json'],
    ['Flatten to one tar', 'etc/my-app.d/other.cfg'],
  ]) {
    await more.click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: button }).click(),
    ]);
    expect(readFileSync(await file.path()).includes(holds), button).toBe(true);
  }
  await more.click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('article').filter({ hasText: 'gone:1' })).toHaveCount(0);
});

const refused: [string, Buffer, RegExp][] = [
  [
    'leaves the root',
    dockerSave([{ tag: 'evil:1', layers: [[{ name: '../../etc/passwd', content: 'x' }]] }]),
    /root file system/,
  ],
  [
    'lies about a digest',
    dockerSave([{ ...example, tag: 'evil:1', lie: 'ab'.repeat(32) }]),
    /do not agree|digest/,
  ],
  [
    'is cut off',
    dockerSave([{ ...example, tag: 'evil:1' }]).subarray(0, 9000),
    /ends early|not in the archive|lacks/,
  ],
  ['is no archive', Buffer.alloc(20_000, 'noise'), /not a tar/],
  ['is an empty tar', tar([]), /.+/],
];
for (const [what, archive, words] of refused) {
  test(`an archive that ${what} is refused with the reason and nothing is stored`, async ({ page }) => {
    await page.goto('/');
    await expect(page.getByRole('article').first()).toBeVisible();
    const count = await page.getByRole('article').count();
    await page.getByTestId('upload-input').setInputFiles(asFile('evil.tar', archive));
    const alert = page.getByRole('alert');
    await expect(alert).toContainText('evil.tar was not stored');
    await expect(alert).toContainText(words);
    await page.reload();
    await expect(page.getByRole('article').first()).toBeVisible();
    await expect(page.getByRole('article')).toHaveCount(count);
    await expect(page.getByText('evil:1')).toHaveCount(0);
  });
}
