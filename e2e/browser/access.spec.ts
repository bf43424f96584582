import { createServer, type Server as HTTPServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, expectAccessible, test } from './fixtures.ts';

test('the printed address logs in once and leaves no code behind', async ({ browser, given, another }) => {
  test.skip(given.server === null, 'needs a server of its own');
  const server = await another([]);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.login);
  await expect(page.getByRole('heading', { name: 'What is in that image?' })).toBeVisible();
  expect(page.url()).not.toContain('code');
  expect(await context.cookies()).toEqual([]);
  await page.reload();
  await expect(page.getByRole('article').first()).toBeVisible();

  // The same address from another browser is worth nothing any more.
  const other = await (await browser.newContext()).newPage();
  await other.goto(server.login);
  await expect(other.getByRole('alert')).toBeVisible();
  await expect(other.getByRole('heading', { name: 'Not logged in yet' })).toBeVisible();
  await other.context().close();
  await context.close();
});

test('a stranger sees the page’s shell and nothing else', async ({ stranger, given }) => {
  await stranger.goto('/#/');
  await expect(stranger.getByRole('heading', { name: 'Not logged in yet' })).toBeVisible();
  await expectAccessible(stranger);
  for (const path of ['/api/v1/images', '/api/v1/containers', '/api/v1/info', '/api/v1/events']) {
    const answer = await fetch(given.origin + path);
    expect(answer.status, path).toBe(401);
  }
});

/** A page on another port of this host, as a container that publishes one serves it. */
async function foreignPage(): Promise<HTTPServer> {
  const server = createServer((_request, answer) => {
    answer.writeHead(200, { 'Content-Type': 'text/html' });
    answer.end('<!doctype html><title>foreign</title>');
  });
  await new Promise<void>((ok) => server.listen(0, '127.0.0.1', ok));
  return server;
}

test('a page of another port gets neither an answer, nor the secret, nor a WebSocket', async ({
  page,
  given,
}) => {
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  const foreign = await foreignPage();
  const port = (foreign.address() as AddressInfo).port;
  await page.context().addCookies([{ name: 'x', value: 'y', url: given.origin }]);
  const other = await page.context().newPage();
  for (const host of ['127.0.0.1', 'localhost']) {
    await other.goto(`http://${host}:${port}/`);
    const got = await other.evaluate(
      async ({ origin, secret }) => {
        const tried: Record<string, string> = { secret: String(localStorage.getItem('layerlab.secret')) };
        const read = async (name: string, init: RequestInit) => {
          try {
            const answer = await fetch(`${origin}/api/v1/images`, init);
            tried[name] = `${answer.type} ${answer.status}`;
          } catch {
            tried[name] = 'refused';
          }
        };
        await read('plain', {});
        await read('withCookies', { credentials: 'include' });
        await read('withSecret', { headers: { Authorization: `Bearer ${secret}` } });
        tried.socket = await new Promise((ok) => {
          const socket = new WebSocket(`${origin.replace('http', 'ws')}/api/v1/terminals/x?ticket=y`);
          socket.onopen = () => ok('open');
          socket.onerror = () => ok('refused');
        });
        return tried;
      },
      { origin: given.origin, secret: given.secret },
    );
    expect(got).toEqual({
      secret: 'null',
      plain: 'refused',
      withCookies: 'refused',
      withSecret: 'refused',
      socket: 'refused',
    });
  }
  foreign.close();
});

test('a page that is named may show a view in a frame, another may not', async ({ page, given, another }) => {
  test.skip(given.server === null, 'needs a server of its own');
  test.setTimeout(90_000);
  const course = createServer((request, answer) => {
    answer.writeHead(200, { 'Content-Type': 'text/html' });
    answer.end(
      `<!doctype html><iframe title="layers" width="1000" height="600" src="${new URL(request.url ?? '/', 'http://x').searchParams.get('show')}"></iframe>`,
    );
  });
  await new Promise<void>((ok) => course.listen(0, '127.0.0.1', ok));
  const origin = `http://127.0.0.1:${(course.address() as AddressInfo).port}`;
  const server = await another(['--embed-origin', origin, '--no-samples']);
  const refused: string[] = [];
  const other = await page.context().newPage();
  other.on('console', (m) => {
    if (/frame-ancestors|X-Frame-Options/.test(m.text())) refused.push(m.text());
  });
  const show = (from: string) =>
    `${origin}/?show=${encodeURIComponent(`${from}/?embed=cases#/preview/player?step=2`)}`;
  const shown = other.frameLocator('iframe');

  await other.goto(show(server.origin));
  await expect(shown.getByRole('region', { name: 'Merge', exact: true })).toBeVisible();
  await expect(shown.getByRole('slider', { name: 'Moment of the merge' })).toHaveValue('2');
  await expect(shown.getByRole('link', { name: 'Open in layerlab' })).toBeVisible();
  await expect(shown.getByRole('banner')).toHaveCount(0);
  expect(refused).toEqual([]);

  await other.goto(show(given.origin));
  await expect.poll(() => refused.length).toBeGreaterThan(0);
  await expect(shown.getByRole('region', { name: 'Merge', exact: true })).toHaveCount(0);
  await other.close();
  course.close();
});

test('requests of foreign origins and hosts are refused even with the secret', async ({ request, given }) => {
  const auth = { Authorization: `Bearer ${given.secret}` };
  const get = async (headers: Record<string, string>) =>
    (await request.get(`${given.origin}/api/v1/images`, { headers: { ...auth, ...headers } })).status();
  expect(await get({})).toBe(200);
  expect(await get({ Origin: 'http://evil.example' })).toBe(403);
  expect(await get({ Host: 'evil.example' })).toBe(403);
  expect(await get({ 'Sec-Fetch-Site': 'cross-site' })).toBe(403);
});

test('the content security policy is strict', async ({ request, given }) => {
  const csp = (await request.get(given.origin)).headers()['content-security-policy'];
  expect(csp).toContain("default-src 'none'");
  expect(csp).toContain("script-src 'self' 'wasm-unsafe-eval'");
  expect(csp).toContain("style-src 'self'");
  expect(csp).not.toContain("'unsafe-inline'");
  expect(csp).not.toMatch(/'unsafe-eval'/);
});
