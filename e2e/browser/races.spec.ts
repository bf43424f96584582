import type { Page, Route } from '@playwright/test';
import { docker } from './docker.ts';
import { expect, openStored, test } from './fixtures.ts';
import { gate } from './gate.ts';
import { run, screen, type } from './terminal.ts';

// What happens in an order that a quick machine seldom has: answers that come
// late, presses that come twice, readers who are gone when something is done.

const asks = (route: Route, path: string) =>
  (route.request().postDataJSON() as { path: string }).path.startsWith(`/api/v1${path}`);

/** Holds the tickets for an address until the returned function is called. */
async function holdTickets(page: Page, path: string): Promise<() => void> {
  const [opened, open] = gate();
  await page.route('**/api/v1/tickets', async (route) => {
    if (asks(route, path)) await opened;
    await route.continue();
  });
  return open;
}

/** Has the page note the kinds of the events that it hears. */
async function noteEvents(page: Page): Promise<(kind: string) => Promise<boolean>> {
  await page.addInitScript(() => {
    const { EventSource: Real } = window;
    const heard: string[] = [];
    Object.assign(window, { heard });
    window.EventSource = class extends Real {
      constructor(url: string | URL) {
        super(url);
        this.addEventListener('message', (m: MessageEvent<string>) => heard.push(m.data));
      }
    };
  });
  return (kind) =>
    page.evaluate(
      (k) => (window as unknown as { heard: string[] }).heard.some((e) => e.includes(`"${k}"`)),
      kind,
    );
}

test('what is typed before a terminal’s first connection stands is typed', async ({ page }) => {
  await run(page, 'sh');
  const go = await holdTickets(page, '/terminals/');
  await page.reload();
  await expect(page.getByText('Connecting')).toBeVisible();
  await type(page, 'echo a""head');
  go();
  await expect(screen(page)).toContainText('ahead');
});

test('what is typed while a terminal’s connection is lost is typed when it is back, in order', async ({
  page,
}) => {
  const cut: (() => void)[] = [];
  await page.routeWebSocket('**/terminals/*', (socket) => {
    const server = socket.connectToServer();
    cut.push(() => {
      void socket.close({ code: 1011 });
      void server.close();
    });
  });
  await run(page, 'sh');
  await type(page, 'echo fir""st');
  await expect(screen(page)).toContainText('first');
  const go = await holdTickets(page, '/terminals/');
  for (const end of cut) end();
  await expect(page.getByText('Connected')).toHaveCount(0);
  await type(page, 'echo sec""ond');
  await type(page, 'echo thi""rd');
  go();
  await expect(screen(page)).toContainText(/second[\s\S]*third/);
});

test('a guest may type before the page knows that it may; one who looks on sends nothing', async ({
  page,
  stranger,
  given,
}) => {
  await run(page, 'sh');
  const container = new URL(page.url()).hash.split('/')[2];
  for (const role of ['writer', 'viewer']) {
    const made = await page.request.post(`/api/v1/containers/${container}/shares`, {
      headers: { Authorization: `Bearer ${given.secret}` },
      data: { terminal: '', role, seconds: 600, cols: 80, rows: 24 },
    });
    const { secret } = (await made.json()) as { secret: string };
    const [opened, go] = gate();
    await stranger.route('**/api/v1/shared', async (route) => {
      await opened;
      await route.continue();
    });
    await stranger.goto('about:blank');
    await stranger.goto(`/#share=${secret}`);
    await expect(stranger.getByText('Connecting')).toBeVisible();
    await type(stranger, `echo gu""est-${role}`);
    go();
    await expect(stranger.getByText('Connected')).toBeVisible();
    await stranger.unroute('**/api/v1/shared');
    if (role === 'writer') await expect(screen(page)).toContainText('guest-writer');
  }
  await type(page, 'echo la""st');
  await expect(screen(stranger)).toContainText('last');
  await expect(screen(page)).not.toContainText('viewer');
  await expect(stranger.getByRole('alert')).toHaveCount(0);
});

test('a container that the lists do not have yet is not said to be removed', async ({ page }) => {
  await page.addInitScript(() => {
    const { EventSource: Real } = window;
    window.EventSource = class extends Real {
      override set onmessage(hear: ((m: MessageEvent<string>) => void) | null) {
        super.onmessage = hear && ((m: MessageEvent<string>) => m.data.includes('"container.') || hear(m));
      }
    };
  });
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  const [opened, go] = gate();
  await page.route('**/api/v1/containers', async (route) => {
    if (route.request().method() === 'GET') await opened;
    await route.continue();
  });
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill('sh');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Connected')).toBeVisible();
  go();
});

test('who closes the run dialog and goes elsewhere stays there', async ({ page }) => {
  await page.goto('/');
  const [opened, go] = gate();
  const started = page.waitForResponse('**/containers/*/start');
  await page.route('**/containers/*/start', async (route) => {
    await opened;
    await route.continue();
  });
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill('sh');
  await dialog.getByLabel('Name of the container').fill('left-alone');
  const asked = page.waitForRequest('**/containers/*/start');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await asked;
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Volumes' }).click();
  go();
  await started;
  await page.evaluate(() => new Promise(requestAnimationFrame));
  await expect(page.getByRole('heading', { name: /^Volumes/ })).toBeVisible();
  await expect(page).toHaveURL(/#\/volumes$/);
  // It runs all the same.
  await page.goto('/#/');
  await expect(page.getByRole('listitem').filter({ hasText: 'left-alone' })).toContainText('running');
});

test('a dialog that was closed closes no other one when it is done', async ({ page, given }) => {
  for (const name of ['slow-one', 'other-one'])
    await page.request.post(`${given.origin}/api/v1/volumes`, {
      headers: { Authorization: `Bearer ${given.secret}` },
      data: { name },
    });
  await page.goto('/#/volumes');
  const [opened, go] = gate();
  await page.route('**/volumes/slow-one', async (route) => {
    await opened;
    await route.continue();
  });
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Remove slow-one' }).click();
  const asked = page.waitForRequest('**/volumes/slow-one');
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
  await asked;
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Remove other-one' }).click();
  await expect(dialog).toContainText('other-one');
  go();
  await expect(page.getByRole('button', { name: 'Remove slow-one' })).toHaveCount(0);
  await expect(dialog).toContainText('other-one');
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Remove other-one' })).toHaveCount(0);
});

test('a terminal that is asked for twice is opened once', async ({ page }) => {
  await run(page, 'sh');
  const [opened, go] = gate();
  let execs = 0;
  await page.route('**/containers/*/exec', async (route) => {
    execs++;
    await opened;
    await route.continue();
  });
  await page.getByRole('button', { name: 'New terminal' }).click();
  const field = page.getByLabel('docker exec -it');
  await field.fill('sh');
  await field.press('Enter');
  await field.press('Enter');
  go();
  const pane = page.getByRole('region', { name: 'sh', exact: true });
  await expect(pane.getByText('Connected')).toBeVisible();
  expect(execs).toBe(1);
  await expect(page.getByRole('button', { name: 'Close sh' })).toHaveCount(1);
  await expect(pane.locator('.xterm-helper-textarea')).toBeFocused();
});

test('a container that starts anew takes the keyboard from nobody', async ({ page, given }) => {
  await run(page, 'sh');
  await type(page, 'echo be""fore');
  await expect(screen(page)).toContainText('before');
  await page.getByRole('button', { name: 'New terminal' }).click();
  const field = page.getByLabel('docker exec -it');
  await field.fill('ls');
  const container = new URL(page.url()).hash.split('/')[2];
  await page.request.post(`/api/v1/containers/${container}/restart`, {
    headers: { Authorization: `Bearer ${given.secret}` },
    data: { timeout: 0 },
  });
  await expect(screen(page)).not.toContainText('before');
  await expect(page.getByText('Connected')).toBeVisible();
  await expect(field).toBeFocused();
});

test('the keyboard stays where a container is paused and resumed', async ({ page }) => {
  await run(page, 'sh');
  await page.getByRole('button', { name: /^Pause/ }).press('Enter');
  await expect(page.getByRole('button', { name: /^Resume/ })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: /^Pause/ })).toBeFocused();
});

test('a list of recordings that was asked for before one began does not end it', async ({ page }) => {
  const heard = await noteEvents(page);
  await run(page, 'sh');
  const [opened, go] = gate();
  await page.route('**/api/v1/recordings', async (route) => {
    const old = await route.fetch();
    await opened;
    await route.fulfill({ response: old });
  });
  const asked = page.waitForRequest('**/api/v1/recordings');
  await page.reload();
  await asked;
  await page.getByRole('button', { name: 'Record', exact: true }).click();
  await expect.poll(() => heard('recording')).toBe(true);
  const answered = page.waitForResponse('**/api/v1/recordings');
  go();
  await answered;
  const stop = page.getByRole('button', { name: 'Stop recording' });
  await expect(stop).toBeVisible();
  await stop.click();
  await expect(stop).toHaveCount(0);
});

test('a Dockerfile that is read when its reader has gone calls nobody back', async ({ page }) => {
  await openStored(page);
  await expect(page).toHaveURL(/#\/images\//);
  // Here no core waits for a file.
  await page.reload();
  await expect(page.getByRole('tree')).toBeVisible();
  await page.evaluate(() => {
    const { text } = Blob.prototype;
    const go = new Promise((ok) => Object.assign(window, { go: ok }));
    Blob.prototype.text = async function () {
      await go;
      return text.call(this);
    };
    const data = new DataTransfer();
    data.items.add(new File(['FROM scratch\n'], 'Dockerfile'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await page.getByRole('link', { name: 'Volumes' }).click();
  await expect(page.getByRole('heading', { name: /^Volumes/ })).toBeVisible();
  const matching = page.waitForEvent('worker');
  await page.evaluate(() => (window as unknown as { go: () => void }).go());
  const worker = await matching;
  await worker.waitForEvent('close');
  await expect(page).toHaveURL(/#\/volumes$/);
  await expect(page.getByRole('heading', { name: /^Volumes/ })).toBeVisible();
});

test('the page listens to one stream of events, however often it is told to wake', async ({ page }) => {
  let lost = true;
  const [opened, go] = gate();
  await page.route('**/api/v1/tickets', async (route) => {
    if (lost) return route.abort();
    await opened;
    return route.continue();
  });
  const streams: string[] = [];
  page.on('request', (r) => {
    if (r.url().includes('/api/v1/events?')) streams.push(r.url());
  });
  await page.goto('/');
  await expect(page.getByText('The connection to the server is lost')).toBeVisible();
  lost = false;
  const tickets: unknown[] = [];
  page.on('request', (r) => {
    if (r.url().endsWith('/api/v1/tickets')) tickets.push(r);
  });
  await expect.poll(() => tickets.length).toBeGreaterThan(0);
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expect.poll(() => tickets.length).toBeGreaterThan(1);
  go();
  await expect(page.getByRole('article').first()).toBeVisible();
  await expect(page.getByText('The connection to the server is lost')).toHaveCount(0);
  expect(streams).toHaveLength(1);
});

test('a refusal that was meant for an old session does not end the new one', async ({ browser, another }) => {
  test.setTimeout(90_000);
  const server = await another([]);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    if (!localStorage.getItem('layerlab.secret')) localStorage.setItem('layerlab.secret', 'stale');
  });
  const [opened, go] = gate();
  const answered: Promise<void>[] = [];
  await page.route('**/api/v1/tickets', async (route) => {
    if (route.request().headers().authorization !== 'Bearer stale') return route.continue();
    await opened;
    answered.push(
      route.fulfill({ status: 401, json: { code: 'unauthorized', message: 'unauthorized', requestID: '' } }),
    );
  });
  const asked = page.waitForRequest('**/api/v1/tickets');
  await page.goto(`${server.origin}/#/`);
  await asked;
  await page.evaluate((hash) => {
    location.hash = hash;
  }, new URL(server.login).hash);
  await expect(page.getByRole('article').first()).toBeVisible();
  go();
  await expect.poll(() => answered.length).toBe(1);
  await Promise.all(answered);
  await page.getByRole('link', { name: 'Volumes' }).click();
  await expect(page.getByRole('heading', { name: /^Volumes/ })).toBeVisible();
  await expect(page.getByText('No volumes')).toBeVisible();
  await context.close();
});

test('a lesson finds what was written while its page was away', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'Copy-on-write' }).click();
  const panel = page.getByRole('complementary', { name: 'Lesson' });
  await page.goto('/#/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command', { exact: true }).fill('sh');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(panel.getByText('2 of 4')).toBeVisible();
  const container = new URL(page.url()).hash.split('/')[2];
  const context = page.context();
  await page.close();
  await docker(given.server?.data ?? '', 'exec', container, 'sh', '-c', 'echo more >> /bin/my-app-tools');
  const back = await context.newPage();
  await back.goto('/#/');
  await expect(back.getByRole('complementary', { name: 'Lesson' }).getByText('3 of 4')).toBeVisible();
});
