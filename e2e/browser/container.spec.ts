import { expect, expectAccessible, test } from './fixtures.ts';
import { gate } from './gate.ts';
import { run, screen, type } from './terminal.ts';

test('a shell answers, its layer shows what it wrote, a reload finds it again, a commit keeps it', async ({
  page,
}) => {
  await run(page, 'sh');
  await type(page, 'echo "sum: $((40+2)) 你好"');
  await expect(screen(page)).toContainText('sum: 42 你好');

  await test.step('colours need no inline style', async () => {
    await type(page, "printf '\\033[38;2;250;120;10mtrue\\033[31m colour\\033[0m\\n'");
    await expect(screen(page)).toContainText('true colour');
    await page.getByRole('button', { name: /^Colours/ }).click();
  });

  await test.step('added, changed and deleted paths appear', async () => {
    await type(page, 'echo new > /added.txt; echo more >> /bin/my-app-tools; rm /etc/my-app.d/*.cfg');
    const list = page.getByRole('list', { name: 'Paths written' }).getByRole('listitem');
    await expect(list.filter({ hasText: '/added.txt' })).toContainText('added');
    await expect(list.filter({ hasText: '/bin/my-app-tools' })).toContainText('changed');
    await expect(list.filter({ hasText: '/bin/my-app-tools' })).toContainText('copied up');
    await expect(list.filter({ hasText: '.cfg' }).first()).toContainText('deleted');
  });
  await expectAccessible(page);

  await test.step('a reload finds the same shell', async () => {
    await type(page, 'here=still');
    await page.reload();
    await expect(screen(page)).toContainText('sum: 42 你好');
    await type(page, 'echo $here there');
    await expect(screen(page)).toContainText('still there');
  });

  await test.step('the terminal follows the size of its box', async () => {
    const told: string[] = [];
    page.on('websocket', (socket) => {
      socket.on('framesent', (frame) => told.push(String(frame.payload)));
    });
    await page.reload();
    await expect(page.getByText('Connected')).toBeVisible();
    await page.setViewportSize({ width: 900, height: 700 });
    await expect
      .poll(async () => {
        const [cols, rows] = (await page.getByText(/^\d+×\d+$/).innerText()).split('×').map(Number);
        return cols < 80 && told.includes(JSON.stringify({ type: 'resize', cols, rows }));
      })
      .toBe(true);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  await test.step('commit makes a new layer', async () => {
    await page.getByRole('button', { name: 'Commit…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name of the new image').fill('committed:1');
    await dialog.getByLabel('Message').fill('what the test wrote');
    await dialog.getByRole('button', { name: 'Commit', exact: true }).click();
    await dialog.getByRole('link', { name: 'Show the new layer' }).click();
    await expect(page.getByRole('heading', { name: 'committed:1' })).toBeVisible();
    await expect(page.getByRole('tree')).toHaveAccessibleName(/Only layer \d+/);
    await expect(page.getByRole('treeitem', { name: /added\.txt/ })).toBeVisible();
  });
});

test('what a container wrote before the first look at it is told', async ({ page }) => {
  const [typed, go] = gate();
  await page.route('**/containers/*/changes', async (route) => {
    await typed;
    await route.continue();
  });
  await page.addInitScript(() => {
    // No event helps: only the answer tells.
    const { EventSource: Real } = window;
    window.EventSource = class extends Real {
      override set onmessage(hear: ((m: MessageEvent<string>) => void) | null) {
        super.onmessage =
          hear && ((m: MessageEvent<string>) => m.data.includes('container.changes') || hear(m));
      }
    };
  });
  await run(page, 'sh');
  await type(page, 'echo more >> /bin/my-app-tools; rm /etc/os-release; echo do""ne');
  await expect(screen(page)).toContainText('done');
  go();
  const happened = page.getByRole('region', { name: 'What happened' });
  await expect(happened).toContainText('copied up: /bin/my-app-tools');
  await expect(happened).toContainText('whiteout for /etc/os-release');
});

test('an answer that events overtook undoes nothing', async ({ page }) => {
  const [typed, go] = gate();
  const answered: Promise<void>[] = [];
  await page.route('**/containers/*/changes', async (route) => {
    const old = await route.fetch();
    await typed;
    answered.push(route.fulfill({ response: old }));
  });
  await run(page, 'sh');
  await type(page, 'rm /etc/os-release');
  const happened = page.getByRole('region', { name: 'What happened' });
  await expect(happened).toContainText('whiteout for /etc/os-release');
  go();
  await expect.poll(() => answered.length).toBeGreaterThan(0);
  await Promise.all(answered);
  await type(page, 'echo 1 > /after');
  await expect(happened).toContainText('/after');
  await expect(happened.getByText('/etc/os-release')).toHaveCount(1);
});

test('what is typed while the past is still being drawn is typed', async ({ page }) => {
  await run(page, 'sh');
  await page.routeWebSocket('**/terminals/*', (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => server.send(message));
    // Told how much past there is, the page waits for it.
    server.onMessage((message) => {
      if (typeof message === 'string') socket.send(message);
      else setTimeout(() => socket.send(message), 1_000);
    });
  });
  await page.reload();
  await expect(page.getByText('Connected')).toBeVisible();
  await type(page, 'echo in""tact');
  await expect(screen(page)).toContainText('echo in""tact');
  await expect(screen(page)).toContainText('intact');
});

test('Ctrl-C ends what runs in the foreground', async ({ page }) => {
  await run(page, 'sh');
  // It is there before the key comes, which else would be the shell's.
  await type(page, 'sh -c \'echo be""gun; exec sleep 1000\'');
  await expect(screen(page)).toContainText('begun');
  await page.keyboard.press('Control+c');
  await type(page, 'echo back $((1+1))');
  await expect(screen(page)).toContainText('back 2');
});

test('the keyboard can leave the terminal', async ({ page }) => {
  await run(page, 'sh');
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.press('Shift+F6');
  await expect(page.getByRole('button', { name: 'Screen reader' })).toBeFocused();
});

test('a container is paused, resumed, stopped and removed', async ({ page }) => {
  await run(page, 'sh');
  await page.getByRole('button', { name: /^Pause/ }).click();
  await expect(page.getByText('paused', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: /^Resume/ }).click();
  await expect(page.getByText('running', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: /^Kill/ }).click();
  await expect(page.getByText('ended by signal 9')).toBeVisible();
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page).toHaveURL(/#\/$/);
});

test('a command that the image does not have is said in words', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill('no-such-command');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('The image has no such command');
});

test('a killed and restarted server finds the shell, and the page heals itself', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server that is not ours to kill');
  await run(page, 'sh');
  await type(page, 'kept=yes; echo $((6*7))');
  await expect(screen(page)).toContainText('42');
  const again = page.waitForEvent('websocket');
  await given.server?.restart();
  await again;
  await expect(page.getByText('Connected')).toBeVisible({ timeout: 20_000 });
  await type(page, 'echo $kept indeed');
  await expect(screen(page)).toContainText('yes indeed', { timeout: 20_000 });
});

test('text is copied from the terminal and pasted into it', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await run(page, 'sh');
  await type(page, 'echo copy-this-$((40+2))');
  await expect(screen(page)).toContainText('copy-this-42');
  // xterm.js takes the mouse above its rows.
  await screen(page)
    .getByText('copy-this-42')
    .last()
    .dblclick({ force: true, position: { x: 12, y: 6 } });
  await page.keyboard.press('Control+Shift+c');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain('42');
  await page.evaluate(() => navigator.clipboard.writeText('echo pasted-$((1+1))'));
  await page.keyboard.press('Control+Shift+v');
  await expect(screen(page)).toContainText('echo pasted-$((1+1))');
  await page.keyboard.press('Enter');
  await expect(screen(page)).toContainText('pasted-2');
});
