import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, expectAccessible, expectFits, test } from './fixtures.ts';

const run = promisify(execFile);

test('the run dialog has docker’s flags, and the line that does the same', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  test.setTimeout(90_000);
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command', { exact: true }).fill("sh -c 'echo $A; sleep 1000'");
  await dialog.getByLabel('Name of the container').fill('by-page');
  await dialog.getByText('Limits and restarts').click();
  await dialog.getByRole('textbox', { name: 'Memory -m' }).fill('lots');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(dialog.getByText('cannot be read: lots')).toBeVisible();
  await dialog.getByRole('textbox', { name: 'Memory -m' }).fill('64m');
  const line = dialog.getByLabel('The same with docker');
  await expect(line).toHaveValue(
    "docker run -dit --name by-page --memory 64m layerlab/sample:latest sh -c 'echo $A; sleep 1000'",
  );
  await expectAccessible(page);

  await test.step('a pasted line fills the form', async () => {
    await line.fill(
      "docker run -it --name pasted -e 'A=x y' -v data:/data --read-only layerlab/sample:latest sleep 1000",
    );
    await expect(dialog.getByLabel('Name of the container')).toHaveValue('pasted');
    await expect(dialog.getByRole('textbox', { name: /^Environment/ })).toHaveValue('A=x y');
    await line.fill('docker run --gpus all layerlab/sample');
    await expect(dialog.getByText('no field for --gpus')).toBeVisible();
    await line.fill(
      "docker run -dit --name pasted -e 'A=x y' -v data:/data --read-only layerlab/sample:latest sleep 1000",
    );
    await dialog.getByRole('button', { name: 'Run', exact: true }).click();
    await expect(page).toHaveURL(/#\/containers\//);
    const { stdout } = await run('docker', [
      '-H',
      `unix://${given.server?.data}/docker.sock`,
      'exec',
      'pasted',
      'sh',
      '-c',
      'echo "$A"; echo x >/data/kept && cat /data/kept; echo x >/nowhere || echo refused',
    ]);
    expect(stdout).toBe('x y\nx\nrefused\n');
  });

  await test.step('volumes: used, created, removed', async () => {
    await page.goto('/#/volumes');
    await expect(page.getByRole('listitem').filter({ hasText: 'data' })).toContainText('pasted');
    const other = ['run', '-d', '--name', 'other', '-v', 'data:/data', 'layerlab/sample', 'sleep', '1000'];
    await run('docker', ['-H', `unix://${given.server?.data}/docker.sock`, ...other]);
    await expect(page.getByRole('listitem').filter({ hasText: 'data' })).toContainText(
      /other pasted|pasted other/,
    );
    await page.getByRole('button', { name: /^Create/ }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('mine');
    await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
    await expect(page.getByRole('listitem').filter({ hasText: 'mine' })).toContainText(
      'used by no container',
    );
    await page.getByRole('button', { name: 'Remove data' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(page.getByRole('alert')).toBeVisible();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Remove mine' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(page.getByRole('listitem').filter({ hasText: 'mine' })).toHaveCount(0);
    await expectAccessible(page);
  });

  await test.step('networks: created, connected, left', async () => {
    await page.getByRole('link', { name: 'Networks' }).click();
    await page.getByRole('button', { name: /^Create/ }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('front');
    await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
    const card = page.getByRole('article', { name: 'front' });
    await card.getByRole('button', { name: 'Connect' }).click();
    await page.getByRole('dialog').getByLabel('Container').selectOption({ label: 'pasted' });
    await page.getByRole('dialog').getByRole('button', { name: 'Connect', exact: true }).click();
    await expect(card.getByRole('link', { name: 'pasted' })).toBeVisible();
    await expectAccessible(page);
    await card.getByRole('button', { name: 'Disconnect pasted from front' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disconnect', exact: true }).click();
    await expect(card).toContainText('No container is in it.');
  });

  await test.step('images by shared layers', async () => {
    await page.goto('/#/?list=tree');
    await expect(page.getByText('sharing saves')).toBeVisible();
    await expect(page.getByRole('link', { name: 'layerlab/sample:latest' })).toBeVisible();
    await expectAccessible(page);
  });

  await test.step('narrow and dark', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    for (const hash of ['/#/volumes', '/#/networks', '/#/?list=tree', '/#/lessons']) {
      await page.goto(hash);
      await expect(page.locator('h1')).toBeVisible();
      await expectFits(page, hash);
      await expectAccessible(page);
    }
  });
});
