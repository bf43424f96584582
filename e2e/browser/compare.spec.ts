import { dockerSave, type Entry } from './archives.ts';
import { corpusFile, expect, expectAccessible, look, test } from './fixtures.ts';

// Two images of which the second is larger by a chown of everything and by a
// cache that nobody removed.
const app: Entry[] = [
  { name: 'app/' },
  { name: 'app/data', content: Buffer.alloc(300_000, 1) },
  { name: 'app/run', content: 'echo run', mode: 0o755 },
];
const small = { layers: [app], tag: 'test/small:1' };
const grown = {
  layers: [
    app,
    app.map((e) => ({ ...e, uid: 1000 })),
    [
      { name: 'var/' },
      { name: 'var/cache/' },
      { name: 'var/cache/index', content: Buffer.alloc(100_000, 2) },
    ],
  ],
  tag: 'test/grown:1',
};
const archive = (...images: (typeof small)[]) => ({
  name: 'images.tar',
  mimeType: 'application/x-tar',
  buffer: dockerSave(images),
});

test('two images of an archive: which layer made the bytes', async ({ page }) => {
  await look(page, archive(small, grown));
  await page.getByRole('combobox').first().selectOption('1');
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.getByRole('combobox', { name: 'Image to compare with' }).selectOption({ label: 'test/small:1' });
  await expect(page.getByText('Layers +400 kB, containers see +100 kB')).toBeVisible();
  const list = page.getByRole('region', { name: 'Paths by bytes' }).getByRole('listitem');
  await expect(list.first()).toContainText('+300 kB');
  await expect(list.first()).toContainText('/app/data');
  await expect(list.first()).toContainText('owner');
  await expect(list.nth(1)).toContainText('/var/cache/index');
  await expectAccessible(page);
  // The view is in the address: a reload asks for the file, and shows it again.
  const address = page.url();
  await page.reload();
  await page.getByTestId('look-input').setInputFiles(archive(small, grown));
  await expect(page.getByText('Layers +400 kB, containers see +100 kB')).toBeVisible();
  expect(page.url()).toBe(address);
});

test('a second file beside the first, moments of one image, and the empty tree', async ({ page }) => {
  await look(page, archive(grown));
  await page.getByRole('link', { name: 'Compare' }).click();
  await expect(page.getByText('3 added')).toBeVisible();
  await page.getByTestId('beside-input').setInputFiles(archive(small));
  await expect(page.getByText('Layers +400 kB, containers see +100 kB')).toBeVisible();
  await page
    .getByRole('combobox', { name: 'Layer' })
    .first()
    .selectOption({ label: 'below the lowest layer' });
  await expect(page.getByText('containers see +400 kB')).toBeVisible();
  await page.getByRole('group', { name: 'Kinds of change' }).getByRole('button', { name: 'added' }).click();
  await expect(page.getByRole('region', { name: 'Paths by bytes' }).getByRole('listitem')).toHaveCount(0);
});

test('the engine lens shows where engines part, and what they refuse', async ({ page }) => {
  const file = corpusFile('engines/same-name-then-whiteout.tar');
  test.skip(!file, 'the corpus is not on this machine');
  await look(page, file ?? '');
  const lens = page.getByRole('group', { name: 'Engine lens' });
  await lens.getByRole('button', { name: 'umoci' }).click();
  await expect(page.getByRole('status').filter({ hasText: 'specification' })).toBeVisible();
  await lens.getByRole('button', { name: 'Docker' }).click();
  await expect(page.getByRole('alert')).toContainText('Docker refuses to unpack this image');
  await expectAccessible(page);
});
