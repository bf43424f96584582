import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { asFile, dockerSave, example, tar } from './archives.ts';
import { docker } from './docker.ts';
import { expect, expectAccessible, look, test } from './fixtures.ts';

test('the sample images are there at first start, with the size that docker says', async ({
  page,
  given,
}) => {
  await page.goto('/');
  const sample = page.getByRole('article').filter({ hasText: 'layerlab/sample:latest' });
  await expect(sample).toContainText('Sample');
  await expect(page.getByText('docker images counts the files alone, unpacked')).toBeVisible();
  await expectAccessible(page);
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const says = await docker(given.server?.data ?? '', 'images', '--format', '{{.Size}}', 'layerlab/sample');
  await expect(sample.getByTitle(`docker images says ${says.replace('MB', ' MB')}`)).toBeVisible();
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

const again = 'docker save -o image.tar NAME';
const forms = 'Read is what docker save, docker export and skopeo copy … oci-archive: write';
const refused: [string, Buffer, RegExp, string][] = [
  [
    'leaves the root',
    dockerSave([{ tag: 'evil:1', layers: [[{ name: '../../etc/passwd', content: 'x' }]] }]),
    /root file system/,
    'No engine writes such an archive.',
  ],
  [
    'lies about a digest',
    dockerSave([{ ...example, tag: 'evil:1', lie: 'ab'.repeat(32) }]),
    /do not agree|digest/,
    again,
  ],
  [
    'is cut off',
    dockerSave([{ ...example, tag: 'evil:1' }]).subarray(0, 9000),
    /ends early|not in the archive|lacks/,
    again,
  ],
  ['is no archive', Buffer.alloc(20_000, 'noise'), /not a tar/, forms],
  ['is an empty tar', tar([]), /.+/, forms],
];
for (const [what, archive, words, hint] of refused) {
  test(`an archive that ${what} is refused with the reason, what to do, and nothing is stored`, async ({
    page,
  }) => {
    await page.goto('/');
    await expect(page.getByRole('article').first()).toBeVisible();
    const count = await page.getByRole('article').count();
    await page.getByTestId('upload-input').setInputFiles(asFile('evil.tar', archive));
    const alert = page.getByRole('alert');
    await expect(alert).toContainText('evil.tar was not stored');
    await expect(alert).toContainText(words);
    await expect(alert).toContainText(hint);
    await page.reload();
    await expect(page.getByRole('article').first()).toBeVisible();
    await expect(page.getByRole('article')).toHaveCount(count);
    await expect(page.getByText('evil:1')).toHaveCount(0);
  });
}

test('what a server refuses that has too little room says what to do, in both languages', async ({
  page,
  another,
}, info) => {
  const server = await another(['--limit-archive', '6MiB']);
  await page.goto(server.login);
  await expect(page.getByRole('article').first()).toBeVisible();
  const alert = page.getByRole('alert');
  const input = page.getByTestId('upload-input');

  const large = info.outputPath('large.tar');
  writeFileSync(large, '');
  truncateSync(large, 7e6);
  await input.setInputFiles(large);
  await expect(alert).toContainText('large.tar was not stored');
  await expect(alert).toContainText('larger than the limit of 6291456 bytes');
  await expect(alert).toContainText('Whoever runs the server can allow more: serve --limit-archive SIZE.');
  await page.getByRole('button', { name: 'Dismiss' }).click();

  // A disk that is full is not to be had here: the words of the server's answer.
  await page.route(/\/api\/v1\/images\?upload=/, (route) =>
    route.fulfill({
      status: 507,
      json: { code: 'disk-full', message: 'the disk is full', requestID: 'r1' },
    }),
  );
  await input.setInputFiles(asFile('small.tar', tar([{ name: 'etc/' }])));
  await expect(alert).toContainText('small.tar was not stored');
  await expect(alert).toContainText('Nothing was stored; free some space and try again.');
  await page.getByRole('button', { name: '中文' }).click();
  await expect(alert).toContainText('small.tar 未能存储');
  await expect(alert).toContainText('请腾出空间');
  await expectAccessible(page);
});
