import type { Page } from '@playwright/test';
import { docker } from './docker.ts';
import { expect, expectAccessible, openStored, test } from './fixtures.ts';

// What is done to containers, with docker or on the page, shows itself on the
// stack of their image, and on their own.
const onImage = (page: Page) => page.getByRole('region', { name: 'Containers on this image' });

test('what docker does to a container shows on its image’s stack', async ({ page, given }, info) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  await openStored(page);
  await expect(page.getByRole('tree')).toBeVisible();
  const one = onImage(page).getByRole('listitem').filter({ hasText: 'deeds' });
  await expect(one).toHaveCount(0);
  const file = info.outputPath('out.tar');

  for (const [args, box, says] of [
    [
      ['create', '--name', 'deeds', 'layerlab/sample', 'sleep', '1000'],
      'none',
      'made: a layer to write into',
    ],
    [['start', 'deeds'], 'runs', 'started'],
    [['exec', 'deeds', 'true'], 'runs', 'a further process was started'],
    [['pause', 'deeds'], 'frozen', 'frozen: no process gets the processor'],
    [['unpause', 'deeds'], 'runs', 'runs on'],
    [['stop', '-t', '0', 'deeds'], 'none', 'ended when asked'],
    [['start', 'deeds'], 'runs', 'started'],
    [['kill', 'deeds'], 'none', 'a signal was sent'],
    [['export', '-o', file, 'deeds'], 'none', 'its merged tree was written as one tar'],
    [['commit', 'deeds', 'deeds:1'], 'none', 'its layer is a layer of a new image now'],
  ] as const) {
    await test.step(`docker ${args[0]}`, async () => {
      await docker(data, ...args);
      await expect(one).toContainText(says);
      await expect(one).toHaveAttribute('data-box', box);
      await expect(one.getByText(/^pid \d+$/)).toHaveCount(box === 'none' ? 0 : 1);
    });
  }
  await docker(data, 'save', '-o', file, 'layerlab/sample');
  await expect(onImage(page).getByText('the image was written with all its layers')).toBeVisible();
  await expectAccessible(page);
  await docker(data, 'rm', 'deeds');
  await expect(one).toHaveCount(0);

  // A run is a create and a start.
  await docker(data, 'run', '-d', '--name', 'deeds', 'layerlab/sample', 'sleep', '1000');
  await expect(one).toHaveAttribute('data-box', 'runs');
  await expect(one).toContainText('started');
  await docker(data, 'rm', '-f', 'deeds');
  await docker(data, 'rmi', 'deeds:1');
});

test('a container’s own stack: its box freezes, goes and comes, by the keys of the page', async ({
  page,
}) => {
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill('sh');
  await dialog.getByRole('button', { name: 'Run', exact: true }).press('Enter');
  await page.getByRole('link', { name: 'Stack and files' }).press('Enter');
  const box = page.locator('[data-box]');
  await expect(box).toHaveAttribute('data-box', 'runs');
  await expect(box).toContainText('Namespaces of its own');
  await expect(box.locator('[data-own]')).toContainText('read-write');
  await expect(page.getByText('The host’s kernel')).toBeVisible();
  for (const [key, state, says] of [
    ['Pause', 'frozen', 'frozen: no process gets the processor'],
    ['Resume', 'runs', 'runs on'],
    ['Kill', 'none', 'a signal was sent'],
    ['Start', 'runs', 'started'],
    ['Stop', 'none', 'ended when asked'],
  ]) {
    await page.getByRole('button', { name: new RegExp(`^${key} `) }).press('Enter');
    await expect(box).toHaveAttribute('data-box', state, { timeout: 20_000 });
    await expect(box.getByRole('status')).toContainText(says);
  }
  await expectAccessible(page);
  await page.getByRole('button', { name: /^Remove / }).press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).press('Enter');
  await expect(page).toHaveURL(/#\/$/);
});
