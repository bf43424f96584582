import { connect, createServer, type Server, type Socket } from 'node:net';
import { docker } from './docker.ts';
import { expect, expectAccessible, test } from './fixtures.ts';

/** What stands between browser and server and may fail: it passes bytes on, drops its connections, or holds them and passes nothing. */
class Between {
  #server: Server;
  #pairs = new Set<[Socket, Socket]>();
  #stalls = false;
  #refuses = false;

  private constructor(to: URL) {
    this.#server = createServer((from) => {
      if (this.#refuses) return void from.destroy();
      const on = connect(Number(to.port), to.hostname);
      const pair: [Socket, Socket] = [from, on];
      this.#pairs.add(pair);
      for (const [a, b] of [pair, [on, from] as const]) {
        a.on('data', (bytes) => {
          if (!this.#stalls) b.write(bytes);
        });
        a.on('error', () => undefined);
        a.on('close', () => {
          b.destroy();
          this.#pairs.delete(pair);
        });
      }
    });
  }

  static async start(to: string): Promise<[Between, string]> {
    const proxy = new Between(new URL(to));
    await new Promise<void>((ready) => proxy.#server.listen(0, '127.0.0.1', ready));
    const at = proxy.#server.address();
    if (at === null || typeof at === 'string') throw new Error('no port');
    return [proxy, `http://127.0.0.1:${at.port}`];
  }

  /** Ends all connections and takes no other. */
  drop(): void {
    this.#refuses = true;
    this.#end();
  }

  /** Holds all connections and lets no byte through. */
  stall(): void {
    this.#stalls = true;
  }

  heal(): void {
    this.#refuses = false;
    // Bytes were swallowed: what stood until now is of no use to anybody.
    if (this.#stalls) this.#end();
    this.#stalls = false;
  }

  async stop(): Promise<void> {
    this.#end();
    await new Promise((done) => this.#server.close(done));
  }

  #end(): void {
    for (const [a, b] of this.#pairs) {
      a.destroy();
      b.destroy();
    }
  }
}

for (const how of ['drops', 'stalls'] as const) {
  test(`a connection that ${how} shows itself and heals, and no event is missed`, async ({ page, given }) => {
    test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
    const data = given.server?.data ?? '';
    const names = ['stays', 'goes', 'renamed', 'new', 'renamed-since'];
    for (const name of names.slice(0, 3))
      await docker(data, 'create', '--name', `${how}-${name}`, 'layerlab/sample', 'true');
    const [proxy, origin] = await Between.start(given.origin);
    // Silence is noticed by a clock, which need not be waited for.
    if (how === 'stalls') await page.clock.install();
    const link = (name: string) => page.getByRole('link', { name: `${how}-${name}`, exact: true });
    const lost = page.getByText('The connection to the server is lost');

    await page.goto(`${origin}/#/`);
    await expect(link('goes')).toBeVisible();
    await expect(lost).toHaveCount(0);
    if (how === 'drops') proxy.drop();
    else {
      proxy.stall();
      await page.clock.fastForward(45_000);
    }
    await expect(lost).toBeVisible();
    await expectAccessible(page);
    await docker(data, 'rm', `${how}-goes`);
    await docker(data, 'rename', `${how}-renamed`, `${how}-renamed-since`);
    await docker(data, 'create', '--name', `${how}-new`, 'layerlab/sample', 'true');
    await docker(data, 'tag', 'layerlab/sample', `${how}/since:1`);
    await docker(data, 'volume', 'create', `${how}-volume`);
    await expect(link('goes')).toBeVisible();

    proxy.heal();
    if (how === 'stalls') await page.clock.fastForward(15_000);
    await expect(lost).toHaveCount(0, { timeout: 20_000 });
    await expect(link('new')).toBeVisible();
    await expect(link('goes')).toHaveCount(0);
    await expect(link('renamed')).toHaveCount(0);
    await expect(link('renamed-since')).toBeVisible();
    await expect(link('stays')).toBeVisible();
    await expect(page.getByText(`${how}/since:1`)).toBeVisible();
    // It goes on: what happens now is told at once, without a reload.
    await docker(data, 'rm', `${how}-stays`);
    await expect(link('stays')).toHaveCount(0);
    await page.getByRole('link', { name: 'Volumes' }).click();
    await expect(page.getByText(`${how}-volume`, { exact: true })).toBeVisible();

    await docker(data, 'rm', `${how}-new`, `${how}-renamed-since`);
    await docker(data, 'rmi', `${how}/since:1`);
    await docker(data, 'volume', 'rm', `${how}-volume`);
    await proxy.stop();
  });
}

test('what could not be had without a connection comes when there is one', async ({ page, given }) => {
  const [proxy, origin] = await Between.start(given.origin);
  await page.goto(`${origin}/#/`);
  const image = page
    .getByRole('article')
    .filter({ hasText: 'layerlab/sample:latest' })
    .getByRole('link')
    .first();
  await expect(image).toBeVisible();
  proxy.drop();
  await expect(page.getByText('The connection to the server is lost')).toBeVisible();
  await image.click();
  await expect(page.getByRole('alert')).toBeVisible();
  proxy.heal();
  await expect(page.getByRole('tree')).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole('alert')).toHaveCount(0);
  await proxy.stop();
});
