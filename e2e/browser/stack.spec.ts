import { asFile, dockerSave, example } from './archives.ts';
import { expectAccessible } from './fixtures.ts';
import { expect, goTo, openFile, openSample, test } from './site.ts';

test('slabs are as high as their bytes or their logarithm, and stand on the kernel', async ({
  page,
  site,
}) => {
  await openSample(page, site);
  const layers = page.getByRole('region', { name: 'Layers' });
  const heights = () =>
    layers
      .locator('button[data-layer]')
      .evaluateAll((all) => all.map((b) => Math.round(b.getBoundingClientRect().height)));
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const log = await heights();
  await layers.getByRole('button', { name: 'bytes', exact: true }).click();
  await expect(page).toHaveURL(/scale=bytes/);
  const bytes = await heights();
  // The base, last on the page, holds nearly all bytes; a layer of 4 kB has half of its logarithm.
  expect(bytes.at(-1)).toBe(log.at(-1));
  expect(bytes[1]).toBeLessThan(log[1]);
  expect(bytes.at(-1)).toBeGreaterThan(bytes[1] + 40);
  await expect(layers.getByText('The host’s kernel')).toBeVisible();
  const [kernel, base] = await Promise.all([
    layers.getByText('The host’s kernel').boundingBox(),
    layers.locator('[data-layer="0"]').boundingBox(),
  ]);
  expect(kernel?.y).toBeGreaterThan((base?.y ?? 0) + (base?.height ?? 0) - 1);
  await page.reload();
  await expect(page).toHaveURL(/scale=bytes/);
});

const Dockerfile = `# the app
FROM scratch
ARG VERSION=1
RUN step-0
ENV A=b
RUN step-1
RUN step-2
RUN step-9
CMD ["/bin/true"]
`;

test('a Dockerfile beside the stack: of the history, chosen, and dropped', async ({ page, site }) => {
  await openFile(page, site, asFile('example.tar', dockerSave([example])));
  await page.getByRole('button', { name: 'Dockerfile', exact: true }).click();
  await expect(page).toHaveURL(/dockerfile/);
  const pane = page.getByRole('region', { name: 'Dockerfile' });
  const lines = pane.getByRole('listitem');
  await expect(lines.filter({ hasText: 'RUN step-1' })).toContainText('layer 1');

  // A line leads to its layer, and the layer shows its line.
  await pane.getByRole('button', { name: 'layer 1' }).click();
  await expect(page.getByRole('tree')).toHaveAccessibleName('After layer 1');
  await expect(pane.getByRole('button', { name: 'layer 1' })).toHaveAttribute('aria-current', 'true');

  await pane.getByTestId('dockerfile-input').setInputFiles({
    name: 'Dockerfile',
    mimeType: 'text/plain',
    buffer: Buffer.from(Dockerfile),
  });
  await expect(pane.getByRole('heading', { name: 'Dockerfile', exact: true })).toBeVisible();
  await expect(lines.filter({ hasText: 'RUN step-2' })).toContainText('layer 2');
  await expect(lines.filter({ hasText: 'ENV A=b' })).not.toContainText('layer');
  await expect(lines.filter({ hasText: 'RUN step-9' })).toContainText('the history does not know this line');
  await expectAccessible(page);
  await pane.getByRole('button', { name: 'Back to the lines of the history' }).click();
  await expect(pane.getByRole('heading', { name: 'Dockerfile, from the history' })).toBeVisible();

  // Dropped anywhere on the image it stands beside it too.
  await goTo(page, '/waste');
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'Dockerfile.dev'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, Dockerfile);
  await goTo(page, '?dockerfile');
  await expect(pane.getByRole('heading', { name: 'Dockerfile.dev' })).toBeVisible();

  await pane.getByTestId('dockerfile-input').setInputFiles({
    name: 'notes.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('nothing of the kind'),
  });
  await expect(pane.getByRole('alert')).toContainText('This is no Dockerfile');
});

test('what is metadata only is marked as such', async ({ page, site }) => {
  await openSample(page, site);
  await goTo(page, '?dockerfile');
  const pane = page.getByRole('region', { name: 'Dockerfile' });
  await expect(pane.getByRole('listitem').filter({ hasText: 'set PATH' })).toContainText('metadata only');
});

test('another archive dropped on an image is looked into', async ({ page, site }) => {
  await openSample(page, site);
  const bytes = dockerSave([example]).toString('base64');
  await page.evaluate((base64) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'other.tar'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  }, bytes);
  await expect(page.getByRole('heading', { name: 'example:1' })).toBeVisible();
});
