import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test as base, expect, type Page } from '@playwright/test';

// The static files of `make site`, behind a web server that knows nothing of
// them, under a path of its own.
const root = fileURLToPath(new URL('../../bin/site/', import.meta.url));
const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
};

/** `site` is the address of the page without a server of ours; a request to anywhere else, or a script's error, fails the test. */
export const test = base.extend<object, { site: string }>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright asks for a pattern.
    async ({}, use) => {
      if (!existsSync(join(root, 'index.html'))) throw new Error(`${root} is missing: run make site first`);
      const server: Server = createServer((request, response) => {
        const path = new URL(request.url ?? '/', 'http://site').pathname;
        const file = join(
          root,
          normalize(path.replace(/^\/some\/path\//, '/')).replace(/\/$/, '/index.html'),
        );
        if (!path.startsWith('/some/path/') || !existsSync(file) || !statSync(file).isFile()) {
          response.writeHead(404).end();
          return;
        }
        response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' });
        createReadStream(file).pipe(response);
      });
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path/`);
      server.close();
      server.closeAllConnections();
    },
    { scope: 'worker' },
  ],
  page: async ({ page, site }, use) => {
    const foreign: string[] = [];
    const troubles: string[] = [];
    page.on('request', (r) => {
      if (!r.url().startsWith(site) && !r.url().startsWith('blob:')) foreign.push(r.url());
    });
    page.on('pageerror', (e) => troubles.push(e.message));
    await use(page);
    expect(foreign).toEqual([]);
    expect(troubles).toEqual([]);
  },
});

/** Opens the bundled sample image. */
export async function openSample(page: Page, site: string): Promise<void> {
  await page.goto(site);
  await page.getByRole('button', { name: /^(The sample image|示例镜像)$/ }).click();
  await page.getByRole('heading', { name: 'layerlab/sample:latest' }).waitFor();
}

/** Opens a file in the preview. */
export async function openFile(
  page: Page,
  site: string,
  file: string | { name: string; mimeType: string; buffer: Buffer },
): Promise<void> {
  await page.goto(`${site}#/preview`);
  await page.getByTestId('look-input').setInputFiles(file);
  await page.locator('main nav a[aria-current]').waitFor();
}

/** Goes to another view, or another look, of what is open: "/waste", "?after=2". */
export async function goTo(page: Page, view: string): Promise<void> {
  await page.evaluate((to) => {
    const [path] = location.hash.replace(/\/(player|diff|waste|papers|identity)(?=\?|$)/, '').split('?');
    location.hash = path + to;
  }, view);
}

export { expect };
