import type { Page } from '@playwright/test';
import { expect, expectAccessible, test } from './fixtures.ts';
import { run, type } from './terminal.ts';

async function open(page: Page, command: string): Promise<void> {
  await page.getByRole('button', { name: 'New terminal' }).click();
  await page.getByLabel('docker exec -it').fill(command);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

const pane = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

test('more terminals in one container: tabs, split, reload, close', async ({ page }) => {
  await run(page);
  await open(page, 'sh');
  const exec = pane(page, 'sh');
  await expect(exec.getByText('Connected')).toBeVisible();
  await expect(pane(page, 'Terminal of the container’s command')).toBeHidden();
  await exec.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo in the sec""ond');
  await page.keyboard.press('Enter');
  await expect(exec.locator('.xterm-rows')).toContainText('in the second');
  await page.getByRole('button', { name: 'Split' }).click();
  await expect(pane(page, 'Terminal of the container’s command')).toBeVisible();
  await expectAccessible(page);
  const beyond = () => exec.locator('.bar').evaluate((bar) => bar.scrollWidth - bar.clientWidth);
  expect(await beyond(), 'the bar of half a page is not cut').toBe(0);
  // A reload finds both, with what was on the screen.
  await page.reload();
  await expect(exec.locator('.xterm-rows')).toContainText('in the second');
  // A pause holds it and takes nothing away.
  await page.getByRole('button', { name: /^Pause/ }).click();
  await expect(page.getByText('paused', { exact: true })).toBeVisible();
  await expect(exec.getByText('Connected')).toBeVisible();
  await page.getByRole('button', { name: /^Resume/ }).click();
  await exec.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo still-$((40+2))\n');
  await expect(exec.locator('.xterm-rows')).toContainText('still-42');
  await page.getByRole('button', { name: 'Close sh' }).click();
  await expect(exec).toHaveCount(0);
  await expect(pane(page, 'Terminal of the container’s command')).toBeVisible();
});

test('a text is found in what a terminal has shown', async ({ page }) => {
  await run(page);
  const own = pane(page, 'Terminal of the container’s command');
  await own.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo needle-$((40+2)); seq 1 300; echo end-$((40+2))');
  await page.keyboard.press('Enter');
  await expect(own.locator('.xterm-rows')).toContainText('end-42');
  await expect(own.locator('.xterm-rows')).not.toContainText('needle-42');
  await page.keyboard.press('Control+Shift+f');
  await page.getByRole('searchbox', { name: 'Search in the terminal' }).fill('needle-42');
  await page.keyboard.press('Enter');
  await expect(own.locator('.xterm-rows')).toContainText('needle-42');
});

test('what was found stays where it is while more is written, and the search goes on from there', async ({
  page,
  given,
}) => {
  let heard = '';
  let drawn = 0; // bytes, as the page tells the server
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload !== 'string') heard += payload.toString('latin1');
    });
    socket.on('framesent', ({ payload }) => {
      if (typeof payload !== 'string') return;
      const told = JSON.parse(payload) as { type: string; bytes: number };
      if (told.type === 'ack') drawn = told.bytes;
    });
  });
  await run(page);
  const own = pane(page, 'Terminal of the container’s command');
  const rows = own.locator('.xterm-rows');
  /** The first line that is seen. */
  const top = () => rows.locator('> div').first().innerText();
  await own.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type(
    'seq 1 400; echo needle-$((40+2)); until test -e /go; do :; done; seq 1001 2500; echo end-$((40+2))\n',
  );
  await expect(rows).toContainText('needle-42');
  const size = await own.getByText(/^\d+×\d+$/).innerText();
  await page.keyboard.press('Control+Shift+f');
  const search = page.getByRole('searchbox', { name: 'Search in the terminal' });
  await search.fill('needle-42');
  await search.press('Enter');
  await expect(
    own.getByText(size, { exact: true }),
    'the search takes no room of the terminal',
  ).toBeVisible();
  const seen = await top();
  // It stands in the last screen, which would follow what is written.
  await page.request.post(`/api/v1/containers/${new URL(page.url()).hash.split('/')[2]}/exec`, {
    headers: { Authorization: `Bearer ${given.secret}` },
    data: { command: ['sh', '-c', 'echo > /go'] },
  });
  await expect.poll(() => heard).toContain('end-42');
  await expect.poll(() => drawn === heard.length).toBe(true);
  await page.evaluate(
    () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
  );
  expect(await top()).toBe(seen);
  await expect(rows).toContainText('needle-42');
  // Onward from there, and back again.
  await search.fill('1444');
  await search.press('Enter');
  await expect(rows).toContainText('1444');
  await search.fill('needle-42');
  await search.press('Shift+Enter');
  await expect(rows).toContainText('needle-42');
  // Elsewhere the reader goes by hand: the next search begins there.
  await own.locator('.xterm-screen').hover();
  await page.mouse.wheel(0, -200);
  await expect.poll(top).not.toBe(seen);
  await own.locator('.xterm-helper-textarea').press('Space');
  await expect(rows).toContainText('end-42');
  await search.fill('24');
  await search.press('Enter');
  await expect(rows).toContainText('2500');
});

test('a graphics card draws the letters where there is one, and its loss is no loss', async ({ page }) => {
  // The machine of the tests has none: what plays one is let through here.
  await page.addInitScript(() => {
    WebGL2RenderingContext.prototype.getParameter = new Proxy(WebGL2RenderingContext.prototype.getParameter, {
      apply: (f, self, [name]) => (name === 0x9246 ? 'A card' : Reflect.apply(f, self, [name])), // UNMASKED_RENDERER_WEBGL
    });
    const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, wish?: object) {
      const context = get.call(this, kind, wish);
      if (kind === 'webgl2') Object.assign(window, { lastContext: context });
      return context;
    } as typeof get;
  });
  await run(page);
  const drawn = page.locator('.xterm-screen canvas').first();
  await expect(drawn).toBeAttached();
  await type(page, 'echo drawn');
  await page.evaluate(() =>
    (window as unknown as { lastContext: WebGL2RenderingContext }).lastContext
      .getExtension('WEBGL_lose_context')
      ?.loseContext(),
  );
  await expect(page.locator('.xterm-rows')).toContainText('drawn');
});

test('a command that is not there says so', async ({ page }) => {
  await run(page);
  await open(page, 'no-such-command');
  await expect(page.getByRole('alert')).toContainText('no such command');
});
