import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import type { Page } from '@playwright/test';
import { docker } from './docker.ts';
import { expect, expectAccessible, test } from './fixtures.ts';

// What docker can do to images and containers, done on the page: by mouse and by
// keyboard, and looked at with docker afterwards.
const row = (page: Page, name: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('link', { name, exact: true }) });
const dialog = (page: Page) => page.getByRole('dialog');

/** Names of the files of a tar, by tar. */
async function listed(path: string): Promise<string[]> {
  const tar = spawn('tar', ['-t']);
  createReadStream(path).pipe(tar.stdin);
  let out = '';
  for await (const chunk of tar.stdout) out += chunk;
  return out.split('\n');
}

test('a container is renamed, restarted, exported and removed; docker sees the same', async ({
  page,
  given,
}, info) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  const since = Math.floor(Date.now() / 1000).toString();
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  await docker(
    data,
    'run',
    '-d',
    '--name',
    'acts',
    'layerlab/sample',
    'sh',
    '-c',
    'echo x >/mine; sleep 1000',
  );
  const more = page.getByRole('button', { name: 'More for acts' });

  await test.step('renamed by keyboard, the name checked before', async () => {
    await more.press('Enter');
    const item = page.getByRole('button', { name: 'Rename…' });
    await expect(item).toHaveAttribute('title', 'docker rename acts NAME');
    await item.press('Enter');
    const name = dialog(page).getByLabel('New name');
    await expect(name).toBeFocused();
    const go = dialog(page).getByRole('button', { name: 'Rename', exact: true });
    await expect(go).toBeDisabled();
    await name.fill('no good');
    await expect(dialog(page).getByText('No container can be called that.')).toBeVisible();
    await expect(go).toBeDisabled();
    await expectAccessible(page);
    await name.fill('acted');
    await expect(dialog(page).getByText('docker rename acts acted', { exact: true })).toBeVisible();
    await name.press('Enter');
    await expect(row(page, 'acted')).toContainText('running');
    expect(await docker(data, 'ps', '--format', '{{.Names}}', '--filter', 'name=acted')).toBe('acted');
    // docker's own rename shows as well.
    await docker(data, 'rename', 'acted', 'acts');
    await expect(row(page, 'acts')).toBeVisible();
    await expect(row(page, 'acted')).toHaveCount(0);
  });

  await test.step('restarted: another process, and the stack says so', async () => {
    const pid = await docker(data, 'inspect', '-f', '{{.State.Pid}}', 'acts');
    await docker(data, 'exec', 'acts', 'sh', '-c', 'rm -f /mine');
    await page.goto('/#/containers/acts/inside');
    const box = page.locator('[data-box]');
    await expect(box).toHaveAttribute('data-box', 'runs');
    const restart = page.getByRole('button', { name: 'Restart acts' });
    await expect(restart).toHaveAttribute('title', 'docker restart acts');
    await restart.click();
    await expect(box.getByRole('status')).toContainText('started again', { timeout: 20_000 });
    await expect(box).toHaveAttribute('data-box', 'runs');
    expect(await docker(data, 'inspect', '-f', '{{.State.Pid}}', 'acts')).not.toBe(pid);
    await docker(data, 'exec', 'acts', 'test', '-f', '/mine');
    await docker(data, 'rename', 'acts', 'acted');
    await expect(box.getByRole('status')).toContainText('has another name');
    await docker(data, 'rename', 'acted', 'acts');
    await expect(page.getByRole('heading', { name: 'acts' })).toBeVisible();
    await docker(data, 'restart', '-t', '0', 'acts');
    await expect(box.getByRole('status')).toContainText('started again');
  });

  await test.step('exported: the tar holds what the container wrote', async () => {
    await more.click();
    const item = page.getByRole('button', { name: 'Export as tar' });
    await expect(item).toHaveAttribute('title', 'docker export -o acts.tar acts');
    const [download] = await Promise.all([page.waitForEvent('download'), item.click()]);
    expect(download.suggestedFilename()).toBe('acts.tar');
    const [byPage, byDocker] = [info.outputPath('page.tar'), info.outputPath('docker.tar')];
    await download.saveAs(byPage);
    await docker(data, 'export', '-o', byDocker, 'acts');
    const files = await listed(byPage);
    expect(files).toContain('mine');
    expect(files).toEqual(await listed(byDocker));
  });

  await test.step('told alike, whoever did it', async () => {
    const until = Math.floor(Date.now() / 1000 + 1).toString();
    const told = await docker(
      data,
      ...['events', '--since', since, '--until', until, '--filter', 'type=container'],
      ...['--format', '{{.Action}}'],
    );
    for (const [action, times] of [
      ['rename', 4],
      ['restart', 2],
      ['export', 2],
    ] as const)
      expect(
        told.split('\n').filter((x) => x === action),
        action,
      ).toHaveLength(times);
    await page.goto('/#/activity');
    for (const by of ['docker rename acts', 'docker restart acts', 'docker export acts'])
      await expect(page.getByText(by).first()).toBeVisible();
  });

  await test.step('removed after a question, which can be answered with no', async () => {
    await docker(data, 'kill', 'acts');
    await page.goto('/');
    const remove = page.getByRole('button', { name: 'Remove acts' });
    await remove.press('Enter');
    await expect(dialog(page)).toContainText('what it wrote, and no image or volume has, is lost');
    await expect(dialog(page).getByText('docker rm acts')).toBeVisible();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await expect(dialog(page)).toHaveCount(0);
    await docker(data, 'inspect', 'acts');
    await remove.click();
    await dialog(page).getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(row(page, 'acts')).toHaveCount(0);
    await expect(docker(data, 'inspect', 'acts')).rejects.toThrow('o such');
  });
});

test('an image is given a name, loses one, and what nobody uses is pruned', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  await page.goto('/');
  const sample = page.getByRole('article').filter({ hasText: 'layerlab/sample:latest' });
  await sample.getByRole('button', { name: 'More for layerlab/sample:latest' }).press('Enter');
  await page.getByRole('button', { name: 'Tag…' }).press('Enter');
  const name = dialog(page).getByLabel('New name');
  const go = dialog(page).getByRole('button', { name: 'Tag', exact: true });
  await expect(go).toBeDisabled();
  await name.fill('Big:1');
  await expect(dialog(page).getByText('No image can be called that')).toBeVisible();
  await name.fill('layerlab/sample');
  await expect(dialog(page).getByText('has this name already')).toBeVisible();
  await expect(go).toBeDisabled();
  await name.fill('layerlab/other');
  await expect(dialog(page).getByText('has it now and loses it')).toBeVisible();
  await expectAccessible(page);
  await name.fill('mine/tagged:v1');
  await expect(
    dialog(page).getByText('docker tag layerlab/sample:latest mine/tagged:v1', { exact: true }),
  ).toBeVisible();
  await name.press('Enter');
  const named = sample.getByRole('paragraph').filter({ hasText: /^mine\/tagged:v1$/ });
  await expect(named).toBeVisible();
  const id = await docker(data, 'inspect', '-f', '{{.Id}}', 'layerlab/sample');
  expect(await docker(data, 'inspect', '-f', '{{.Id}}', 'mine/tagged:v1')).toBe(id);

  // A name that docker moves to another image leaves this one.
  await docker(data, 'tag', 'layerlab/other', 'mine/tagged:v1');
  await expect(named).toHaveCount(0);
  const other = page.getByRole('article').filter({ hasText: 'layerlab/other:latest' });
  await other.getByRole('button', { name: /^More for/ }).click();
  await page.getByRole('button', { name: 'Tag…' }).click();
  await dialog(page).getByRole('button', { name: 'Take the name mine/tagged:v1 away' }).click();
  await expect(dialog(page).getByText('mine/tagged:v1')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(docker(data, 'inspect', 'mine/tagged:v1')).rejects.toThrow('o such');

  // Two that nobody uses: one without a name, one with.
  await docker(data, 'run', '--name', 'ended', 'layerlab/sample', 'sh', '-c', 'echo 1 >/one');
  const dangling = (await docker(data, 'commit', 'ended')).replace('sha256:', '').slice(0, 12);
  await docker(data, 'commit', 'ended', 'mine/named:1');
  await docker(data, 'run', '-d', '--name', 'runs', 'layerlab/sample', 'sleep', '1000');
  await docker(data, 'create', '--name', 'made', 'layerlab/other', 'true');
  await expect(page.getByRole('article').filter({ hasText: 'Dangling' })).toHaveCount(1);
  const prune = page.getByRole('button', { name: 'Prune images' });
  await prune.press('Enter');
  await expect(dialog(page).getByText('docker image prune', { exact: true })).toBeVisible();
  await expectAccessible(page);
  await dialog(page).getByRole('button', { name: 'Prune', exact: true }).press('Enter');
  await expect(dialog(page).getByRole('status')).toContainText(/^1 removed, .* freed: /);
  await expect(dialog(page).getByRole('status')).toContainText(dangling);
  await dialog(page).getByRole('button', { name: 'Close' }).last().click();
  await expect(page.getByRole('article').filter({ hasText: 'Dangling' })).toHaveCount(0);
  await prune.click();
  await dialog(page).getByRole('checkbox').check();
  await expect(dialog(page).getByText('docker image prune -a', { exact: true })).toBeVisible();
  await dialog(page).getByRole('button', { name: 'Prune', exact: true }).click();
  await expect(dialog(page).getByRole('status')).toContainText('mine/named:1');
  await page.keyboard.press('Escape');
  // The one that a stopped container has stays.
  expect((await docker(data, 'images', '--format', '{{.Repository}}')).split('\n').sort()).toEqual([
    'layerlab/other',
    'layerlab/sample',
  ]);

  await page.getByRole('button', { name: 'Prune containers' }).press('Enter');
  await dialog(page).getByRole('button', { name: 'Prune', exact: true }).press('Enter');
  await expect(dialog(page).getByRole('status')).toContainText('ended');
  await page.keyboard.press('Escape');
  await expect(row(page, 'ended')).toHaveCount(0);
  expect((await docker(data, 'ps', '-a', '--format', '{{.Names}}')).split('\n')).toContain('runs');
  await expect(row(page, 'made')).toHaveCount(0);
  await docker(data, 'rm', '-f', 'runs');
  await expect(other.getByText('1 container')).toHaveCount(0);
});

test('how a container fares is said in words', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  const hungry = 'x=abcdefgh; while :; do x=$x$x; done';
  await docker(data, 'run', '-d', '--name', 'hungry', '-m', '16m', 'layerlab/sample', 'sh', '-c', hungry);
  await docker(
    data,
    'run',
    '-d',
    '--name',
    'again',
    '--restart',
    'on-failure:1',
    'layerlab/sample',
    'sh',
    '-c',
    'exit 3',
  );
  await expect(row(page, 'hungry')).toContainText('out of memory');
  await expect(row(page, 'again')).toContainText('restarted 1×');
  await expect(row(page, 'again')).toContainText('exited, code 3');
  await expectAccessible(page);
  await row(page, 'hungry').getByRole('link', { name: 'hungry' }).click();
  const fares = page.getByRole('list', { name: 'How it fares' });
  await expect(fares).toContainText('OOM killer');
  await expect(page.locator('header time')).toHaveText(/^ended .*, after .* seconds?$/);
  await expectAccessible(page);
  await page.goto('/#/containers/again');
  await expect(fares).toContainText('by itself with code 3');
  await expect(fares).toContainText('started it again 1 time ');
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto('/');
  await expect(row(page, 'hungry')).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await expectAccessible(page);
  await docker(data, 'rm', 'hungry', 'again');
});
