import { docker } from './docker.ts';
import { expect, expectAccessible, expectFits, test } from './fixtures.ts';

test('docker’s calls appear with what they did below, and what sharing saved', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  await page.goto('/#/activity');
  const list = page.getByRole('list', { name: 'Activity' });
  const call = (name: string | RegExp) => list.getByRole('button', { name }).first();

  await docker(data, 'run', '-d', '--name', 'first', 'layerlab/sample', 'sleep', '1000');
  await expect(call(/docker start first/)).toContainText('system calls');
  await docker(data, 'run', '-d', '--name', 'second', 'layerlab/sample', 'sleep', '1000');
  await expect(call(/docker start second/)).toContainText(/5\.\d\d MB shared/);
  await expect(page.getByRole('status').filter({ hasText: 'were shared' })).toContainText('of layers');

  await test.step('a start: names, layers, steps, events', async () => {
    await call(/docker start second/).press('Enter');
    await expect(page).toHaveURL(/#\/activity\/\d+$/);
    await expect(page.getByText(/(5\.\d\d MB) of \1 shared/)).toBeVisible();
    const layers = page.getByRole('list', { name: 'Layers, the top one first' });
    await expect(layers.getByRole('listitem')).toHaveCount(4);
    await expect(layers.getByRole('listitem').first()).toContainText(
      'shared: 1 other container has it mounted',
    );
    await page.getByText(/\d+ system calls in [\d.]+ (µs|ms)/).click();
    await expect(page.getByRole('cell', { name: /root of this mount namespace/ })).toBeVisible();
    await expect(page.getByText('container.started')).toBeVisible();
    await expectAccessible(page);
    await page.reload();
    await expect(page.getByText(/(5\.\d\d MB) of \1 shared/)).toBeVisible();
  });

  await test.step('pause, commit, exec, kill and a refusal', async () => {
    await docker(data, 'exec', 'first', 'sh', '-c', 'echo x > /x');
    await docker(data, 'pause', 'first');
    await docker(data, 'commit', 'first', 'act:1');
    await docker(data, 'kill', 'second');
    await docker(data, 'rm', 'first').catch(() => '');
    await expect(call(/docker rm first/)).toContainText('409');
    await call(/docker pause first/).click();
    await expect(page.getByText('frozen by the cgroup freezer')).toBeVisible();
    await call(/docker commit first/).click();
    await expect(page.getByText(/container layer packed as a tar of \d+ entries/)).toBeVisible();
    await call(/docker kill second/).click();
    await expect(page.getByText('SIGKILL sent to all processes')).toBeVisible();
    await call(/docker exec start first/).click();
    await expect(page.getByText('born into the container’s namespaces')).toBeVisible();
    await page.getByLabel('only what was refused').check();
    await expect(list.getByRole('button')).toHaveCount(1);
    await page.getByLabel('only what was refused').uncheck();
  });

  await test.step('what the page does stands there too, in docker’s words', async () => {
    await page.goto('/');
    await page.getByRole('button', { name: 'Resume first' }).click();
    await page.getByRole('link', { name: 'Activity', exact: true }).click();
    await expect(call(/page docker unpause first/)).toBeVisible();
  });

  await test.step('in Chinese, dark, on a narrow screen', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.getByRole('button', { name: '中文' }).click();
    await page
      .getByRole('list', { name: '活动' })
      .getByRole('button', { name: /docker start second/ })
      .first()
      .click();
    await expect(page.getByText('是共享的').first()).toBeVisible();
    await expectFits(page);
    await expectAccessible(page);
  });
});
