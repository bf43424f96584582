import { readFileSync } from 'node:fs';
import type { Locator, Page } from '@playwright/test';
import { asFile, dockerSave, example } from './archives.ts';
import { expectAccessible, expectLoaded } from './fixtures.ts';
import { expect, goTo, openFile, openSample, test } from './site.ts';

/** What a press saves: the file's name and its bytes. */
async function saved(page: Page, button: Locator): Promise<{ name: string; bytes: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

const svgOf = (page: Page) => page.getByRole('button', { name: 'Save the picture as SVG' });
const pngOf = (page: Page) => page.getByRole('button', { name: 'Save the picture as PNG' });
const csvOf = (page: Page) => page.getByRole('button', { name: 'Save the list as CSV' });

test('stack, waste and comparison are saved as pictures, without a server', async ({ page, site }) => {
  test.setTimeout(90_000);
  await openSample(page, site);
  for (const view of ['?after=2', '/waste', '/diff?after=3&from=1']) {
    await goTo(page, view);
    await expectLoaded(page);
    const svg = await saved(page, svgOf(page).first());
    const text = svg.bytes.toString();
    expect(svg.name).toMatch(/-(stack|waste|diff)\.svg$/);
    expect(text).toMatch(/\d [kM]?B<\/text>|\d [kM]?B\b/);
    // Well-formed, drawn, and with nothing in it that runs or is fetched.
    const seen = await page.evaluate((text) => {
      const root = new DOMParser().parseFromString(text, 'image/svg+xml');
      return {
        broken: root.querySelector('parsererror')?.textContent ?? '',
        boxes: root.querySelectorAll('rect').length,
        texts: root.querySelectorAll('text').length,
        other: [...root.querySelectorAll('*')].filter((e) => !/^(svg|title|rect|text|path)$/.test(e.tagName))
          .length,
      };
    }, text);
    expect(seen.broken).toBe('');
    expect(seen.other).toBe(0);
    expect(seen.boxes, view).toBeGreaterThan(3);
    expect(seen.texts, view).toBeGreaterThan(2);
    expect(text).not.toMatch(/href|url\(|style=|light-dark|var\(/);
    const png = await saved(page, pngOf(page).first());
    expect(png.name).toMatch(/\.png$/);
    expect(png.bytes.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    // More than one colour: it is drawn.
    const colours = await page.evaluate(
      async (bytes) => {
        const image = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
        const canvas = new OffscreenCanvas(image.width, image.height);
        const brush = canvas.getContext('2d');
        brush?.drawImage(image, 0, 0);
        const data = new Uint32Array(
          brush?.getImageData(0, 0, image.width, image.height).data.buffer ?? new ArrayBuffer(0),
        );
        return new Set(data).size;
      },
      [...png.bytes],
    );
    expect(colours, view).toBeGreaterThan(8);
  }
});

test('tree, waste, comparison and versions are saved as tables', async ({ page, site }) => {
  await openFile(
    page,
    site,
    asFile(
      'example.tar',
      dockerSave([{ ...example, layers: [...example.layers, [{ name: '=cmd|x,"y"', content: 'a' }]] }]),
    ),
  );
  await goTo(page, `?after=${example.layers.length}`);
  await page.getByRole('searchbox').fill('cmd');
  const tree = await saved(page, csvOf(page).first());
  expect(tree.name).toMatch(/-files\.csv$/);
  const lines = tree.bytes.toString().split('\r\n');
  expect(lines[0]).toBe('path,type,mode,uid,gid,size,mtime,target,layer,status');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/^"\/=cmd\|x,""y""",file,/);
  await page.getByRole('searchbox').fill('');
  await goTo(page, '?after=1&path=etc/my-app-config');
  const versions = await saved(page, csvOf(page).last());
  expect(versions.name).toMatch(/-provenance\.csv$/);
  expect(versions.bytes.toString()).toContain('/etc/my-app-config,1,whiteout,');
  await expectAccessible(page);
  await goTo(page, '/waste');
  const waste = (await saved(page, csvOf(page))).bytes.toString();
  expect(waste).toContain('/etc/my-app-config,');
  await goTo(page, '/diff?after=1&from=0');
  const diff = (await saved(page, csvOf(page))).bytes.toString();
  expect(diff).toContain('deleted,/etc/my-app-config,');
});
