import type { Page } from '@playwright/test';
import { expect, expectAccessible, expectFits, test } from './fixtures.ts';
import { run, screen, type } from './terminal.ts';

/** Shares the terminal that is seen and returns the link. */
async function share(page: Page, role: 'Look' | 'Look and type'): Promise<string> {
  await page.getByRole('button', { name: 'Share…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(role, { exact: true }).check();
  await dialog.getByLabel('For how long').selectOption('10 minutes');
  await dialog.getByRole('button', { name: 'Make a link' }).click();
  const link = await dialog.getByLabel('Link, shown this once').inputValue();
  expect(new URL(link).hash).toMatch(/^#share=[a-z0-9]{26}\.[A-Z0-9]{52}$/);
  return link;
}

/** What a raw WebSocket to the shared terminal hears after it has sent something. */
function raw(guest: Page, secret: string, send: (string | number[])[]): Promise<string[]> {
  return guest.evaluate(
    async ([secret, send]) => {
      const answer = await fetch('/api/v1/shared', { method: 'POST', body: JSON.stringify({ secret }) });
      const { id, ticket } = (await answer.json()) as { id: string; ticket: string };
      const socket = new WebSocket(
        `/api/v1/shared/${id}?ticket=${ticket}`.replace(/^/, location.origin.replace('http', 'ws')),
      );
      const heard: string[] = [];
      return new Promise<string[]>((resolve) => {
        socket.onmessage = (m) => {
          if (typeof m.data !== 'string') return;
          const c = JSON.parse(m.data) as { type: string; error?: { code: string } };
          heard.push(c.error?.code ?? c.type);
          if (c.type === 'ready')
            for (const s of send) socket.send(typeof s === 'string' ? s : new Uint8Array(s));
        };
        socket.onclose = () => resolve(heard);
      });
    },
    [secret, send] as const,
  );
}

test('a viewer sees one terminal, and nothing else of the server', async ({ page, stranger }) => {
  test.setTimeout(90_000);
  await run(page);
  await type(page, 'echo before-$((40+2))');
  const link = await share(page, 'Look');
  await expectAccessible(page);
  const secret = new URL(link).hash.slice('#share='.length);

  await stranger.goto(link);
  await expect(stranger.getByRole('heading', { name: /^Terminal of / })).toBeVisible();
  await expect(stranger.getByText('You are a guest and look on.')).toBeVisible();
  await expect(stranger.getByRole('timer')).toContainText(/^(10:00|9:\d\d) left/);
  await expect(screen(stranger)).toContainText('before-42');
  expect(stranger.url()).not.toContain(secret);
  await expect(stranger.getByRole('navigation')).toHaveCount(0);
  await expectAccessible(stranger);
  await page.keyboard.press('Escape');
  await type(page, 'echo live-$((40+3))');
  await expect(screen(stranger)).toContainText('live-43');
  // What a guest types goes nowhere; a reload of the tab shows the terminal again.
  await type(stranger, 'echo guest-$((40+4))');
  await stranger.reload();
  await expect(screen(stranger)).toContainText('live-43');
  await expect(screen(page)).not.toContainText('guest');

  // By hand: frames that a viewer may not send end the connection and do nothing.
  expect(await raw(stranger, secret, [[...Buffer.from('echo raw-$((40+5))\n')]])).toEqual([
    'ready',
    'share-view-only',
  ]);
  expect(await raw(stranger, secret, ['{"type":"resize","cols":33,"rows":11}'])).toEqual([
    'ready',
    'share-view-only',
  ]);
  await type(page, 'stty size; echo still-$((40+6))');
  await expect(screen(page)).toContainText('still-46');
  await expect(screen(page)).not.toContainText('raw-45');
  await expect(screen(page)).not.toContainText('11 33');

  // The secret is good for nothing else beneath /api, whole or in part, as a bearer or as a ticket.
  const container = new URL(page.url()).hash.split('/')[2];
  const refused = await stranger.evaluate(
    async ([secret, container]) => {
      const answer = await fetch('/api/v1/shared', { method: 'POST', body: JSON.stringify({ secret }) });
      const { id, ticket } = (await answer.json()) as { id: string; ticket: string };
      const paths = [
        ['GET', '/images'],
        ['GET', '/containers'],
        ['POST', `/containers/${container}/exec`],
        ['POST', `/containers/${container}/kill`],
        ['GET', `/containers/${container}/changes`],
        ['GET', `/terminals/${container}`],
        ['POST', `/containers/${container}/shares`],
        ['GET', '/shares'],
        ['DELETE', `/shares/${id}`],
        ['GET', '/recordings'],
        ['POST', '/tickets'],
        ['GET', '/events'],
        ['GET', `/shared/${id}`],
        ['GET', '/shared/another'],
        ['POST', `/shared/${id}`],
      ];
      const out: string[] = [];
      for (const [method, path] of paths) {
        for (const bearer of [secret, secret.split('.')[1], ticket]) {
          const a = await fetch(`/api/v1${path}`, { method, headers: { Authorization: `Bearer ${bearer}` } });
          out.push(`${a.status}`);
        }
      }
      // A ticket is for its own address, and its first wrong use was its last.
      out.push(`${(await fetch(`/api/v1/images?ticket=${ticket}`)).status}`);
      out.push(`${(await fetch(`/api/v1/shared/${id}?ticket=${ticket}`)).status}`);
      return [...new Set(out)];
    },
    [secret, container] as const,
  );
  expect(refused).toEqual(['401']);

  // Narrow and dark it is as usable.
  await stranger.setViewportSize({ width: 360, height: 700 });
  await stranger.emulateMedia({ colorScheme: 'dark' });
  await expectAccessible(stranger);
  await expectFits(stranger);

  // Revoked, it is over at once, and stays so.
  await page.getByRole('button', { name: 'Share…' }).click();
  await expect(page.getByRole('dialog').getByText('1 guest now')).toBeVisible();
  await page.getByRole('button', { name: /^Revoke the link to the command/ }).click();
  await expect(stranger.getByRole('alert')).toContainText('This share has been revoked.');
  await expect(page.getByRole('dialog').getByText('None.')).toBeVisible();
  await stranger.reload();
  await expect(stranger.getByRole('alert')).toContainText('has expired or was revoked');
});

test('a writer types, follows the size, and is out when the container ends', async ({ page, stranger }) => {
  await run(page);
  const link = await share(page, 'Look and type');
  await page.keyboard.press('Escape');
  await stranger.goto(link);
  await expect(stranger.getByText('You are a guest and type')).toBeVisible();
  await expect(stranger.getByText('Connected')).toBeVisible();
  await type(stranger, 'echo typed-$((40+2)) by a guest');
  await expect(screen(page)).toContainText('typed-42 by a guest');
  const rows = (p: Page) => screen(p).locator('> div').count();
  await page.setViewportSize({ width: 1000, height: 560 });
  await expect.poll(async () => (await rows(stranger)) === (await rows(page))).toBe(true);
  await page.getByRole('button', { name: /^Kill/ }).first().click();
  await expect(stranger.getByText('The terminal has ended with code 137.')).toBeVisible();
  await stranger.reload();
  await expect(stranger.getByRole('alert')).toContainText('its terminal has ended');
});
