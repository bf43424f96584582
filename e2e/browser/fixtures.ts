import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';
import { Server } from './server.ts';

interface Given {
  origin: string;
  secret: string;
  server: Server | null;
}

const repository = fileURLToPath(new URL('../../', import.meta.url));
const corpus = process.env.LAYERLAB_CORPUS ?? join(repository, '../shared/images');

/** A file of the corpus, or null where the corpus is not on this machine. */
export function corpusFile(name: string): string | null {
  const path = join(corpus, name);
  return existsSync(path) ? path : null;
}

/** Exchanges the one-time code of an address for a session's secret. */
async function redeem(login: URL): Promise<string> {
  const answer = await fetch(new URL('/api/v1/session', login), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ code: new URLSearchParams(login.hash.slice(1)).get('code') }),
  });
  const { secret } = (await answer.json()) as { secret: string };
  return secret;
}

type Start = (flags: string[]) => Promise<Server>;

/**
 * `another` starts a further server, which ends with the test. `given` is the server, logged in to once a worker; what a test leaves there is
 * taken away before the next. `page` has the session and fails its test when the content security policy was violated or a script threw.
 */
export const test = base.extend<
  { page: Page; stranger: Page; another: Start; swept: undefined },
  { given: Given }
>({
  given: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright asks for a pattern.
    async ({}, use) => {
      const given = process.env.LAYERLAB_URL || undefined;
      const server = given ? null : await Server.start();
      let secret = '';
      try {
        const login = new URL(given ?? server?.login ?? '');
        secret = await redeem(login);
        await use({ origin: login.origin, secret, server });
      } finally {
        await server?.stop(secret);
      }
    },
    { scope: 'worker', timeout: 90_000 },
  ],
  swept: [
    async ({ given }, use) => {
      await use(undefined);
      await given.server?.clear(given.secret);
    },
    { auto: true },
  ],
  baseURL: async ({ given }, use) => use(given.origin),
  // biome-ignore lint/correctness/noEmptyPattern: Playwright asks for a pattern.
  another: async ({}, use) => {
    const started: Server[] = [];
    await use(async (flags) => {
      const server = await Server.start(flags);
      started.push(server);
      return server;
    });
    for (const server of started) await server.stop();
  },
  stranger: async ({ page: _page, browser, given }, use) => {
    const context = await browser.newContext({ baseURL: given.origin });
    await use(await context.newPage());
    await context.close();
  },
  page: async ({ page, given }, use) => {
    const troubles: string[] = [];
    page.on('pageerror', (e) => troubles.push(`script: ${e.message}`));
    page.on('console', (m) => {
      if (/Content Security Policy/.test(m.text())) troubles.push(m.text());
    });
    await page.addInitScript((secret) => localStorage.setItem('layerlab.secret', secret), given.secret);
    await use(page);
    expect(troubles).toEqual([]);
  },
});

/**
 * axe-core on a page that has no frames in it: only those would need its other
 * way, which opens a second page each time to put their results together.
 */
export function axe(page: Page): AxeBuilder {
  return new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'] });
}

/** No violation of WCAG 2.2 A and AA; the terminal's own screen is left to xterm.js. */
export async function expectAccessible(page: Page): Promise<void> {
  const found = await axe(page)
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
    .exclude('.xterm')
    .analyze();
  expect(
    found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`),
  ).toEqual([]);
}

/** Nothing of the view is on its way any more, in either language. */
export async function expectLoaded(page: Page): Promise<void> {
  await expect(page.locator('main').getByText(/^(Loading|Reading|正在加载|正在读取)/)).toHaveCount(0);
}

/** Nothing makes the page wider than its window. */
export async function expectFits(page: Page, what = 'the page'): Promise<void> {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide, `${what} must not scroll sideways`).toBeLessThanOrEqual(page.viewportSize()?.width ?? 0);
}

/** Opens the sample image that the server keeps. */
export async function openStored(page: Page): Promise<void> {
  await page.goto('/');
  await page
    .getByRole('article')
    .filter({ hasText: 'layerlab/sample:latest' })
    .getByRole('link')
    .first()
    .click();
}

/** Shows a file in the preview. */
export async function look(
  page: Page,
  file: string | { name: string; mimeType: string; buffer: Buffer },
): Promise<void> {
  await page.goto('/#/preview');
  await page.getByTestId('look-input').setInputFiles(file);
}

export { expect };
