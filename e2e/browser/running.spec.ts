import { existsSync } from 'node:fs';
import { docker as dockerOf } from './docker.ts';
import { expect, expectAccessible, test } from './fixtures.ts';

test('what a health check finds stands beside the state, at once', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const docker = (...args: string[]) => dockerOf(given.server?.data ?? '', ...args);
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  const check = ['--health-cmd', 'cat /well', '--health-interval', '200ms', '--health-retries', '1'];
  await docker('run', '-d', '--name', 'checked', ...check, 'layerlab/sample', 'sleep', '1000');
  const row = page.getByRole('listitem').filter({ has: page.getByRole('link', { name: 'checked' }) });
  await expect(row.getByText('unhealthy', { exact: true })).toBeVisible();
  await docker('exec', 'checked', 'sh', '-c', 'echo yes >/well');
  await expect(row.getByText('healthy', { exact: true })).toBeVisible();
  await expectAccessible(page);
  // A container is found by its name, too.
  await page.goto('/#/containers/checked');
  await expect(page.getByText('healthy', { exact: true })).toBeVisible();
  await docker('exec', 'checked', 'rm', '/well');
  await expect(page.getByText('unhealthy', { exact: true })).toBeVisible();
  await page.goto('/#/containers/checked/inside/diff');
  await expect(page.getByRole('group', { name: 'After' })).toContainText('checked');
  await page.goBack();
  const kill = page.getByRole('button', { name: 'Kill checked' });
  await expect(kill).toHaveAttribute('title', 'docker kill checked');
  await kill.click();
  await expect(page.getByText('ended by signal 9')).toBeVisible();
  await expect(page.getByText('healthy')).toHaveCount(0);
});

test('another runtime is chosen in the dialog of run; it has neither plan nor trace', async ({
  browser,
  another,
}) => {
  test.skip(!existsSync('/usr/bin/crun'), 'crun is not installed');
  const server = await another(['--runtime', 'crun=/usr/bin/crun']);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.login);
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command', { exact: true }).fill('sh');
  await dialog.getByText('Rights').press('Enter');
  const runtime = dialog.getByLabel(/^Runtime/);
  await expect(runtime).toHaveAttribute('placeholder', 'layerlab');
  // What is typed and taken back leaves the group open.
  await runtime.press('x');
  await runtime.press('Backspace');
  await expect(runtime).toBeFocused();
  await runtime.fill('nobody');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(dialog.getByRole('alert')).toContainText('nobody');
  await runtime.fill('crun');
  await expect(dialog.getByLabel('The same with docker')).toHaveValue(/^docker run -dit --runtime crun /);
  await dialog.getByRole('button', { name: 'Run', exact: true }).press('Enter');
  await expect(page.getByText('Connected')).toBeVisible();
  await expect(page.locator('header').getByText('Runtime crun')).toBeVisible();
  const tabs = page.getByRole('navigation', { name: 'Beside the terminal' });
  for (const tab of ['Plan', 'Trace']) {
    await tabs.getByRole('link', { name: tab }).press('Enter');
    await expect(page.getByRole('region', { name: tab }).getByRole('alert')).toContainText(
      'is run by crun, which does not tell its steps',
    );
  }
  await expectAccessible(page);
  await tabs.getByRole('link', { name: 'Live' }).press('Enter');
  await expect(page.getByRole('heading', { name: 'Namespaces' })).toBeVisible();
  await page.getByRole('button', { name: /^Kill/ }).click();
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page).toHaveURL(/#\/$/);
  await context.close();
});

test('what a server without idmapped mounts warns of stands above the container, in both languages', async ({
  page,
}) => {
  // Such a server is an ordinary user's; the warning is its answer's, the container a real one.
  await page.route('**/api/v1/containers', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    const response = await route.fetch();
    const made = (await response.json()) as object;
    const warning = { code: 'bind-nobody', args: { path: '/srv/data' }, message: 'belongs to nobody' };
    await route.fulfill({ response, json: { ...made, warnings: [warning] } });
  });
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Create only', exact: true }).click();
  const told = page.getByRole('status').filter({ hasText: /Made, but to know|已创建，但请注意/ });
  await expect(told).toContainText(
    '/srv/data belongs to nobody inside: its root reads there what everybody may read, and writes what everybody may write. A volume would be its own.',
  );
  await page.getByRole('button', { name: '中文' }).click();
  await expect(told).toContainText(
    '/srv/data 在容器里属于 nobody：容器的 root 只能读人人可读的，只能写人人可写的。用卷则归它自己所有。',
  );
  await expectAccessible(page);
  await page.getByRole('button', { name: 'English' }).click();
  await told.getByRole('button', { name: 'Dismiss' }).click();
  await expect(told).toHaveCount(0);
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(page).toHaveURL(/#\/$/);
});
