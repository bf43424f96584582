import type { Page } from '@playwright/test';
import { docker } from './docker.ts';
import { expect, expectAccessible, test } from './fixtures.ts';
import { type } from './terminal.ts';

const panel = (page: Page) => page.getByRole('complementary', { name: 'Lesson' });
const step = (page: Page, n: number, of: number) =>
  expect(panel(page).getByText(`${n} of ${of}`)).toBeVisible();

async function typed(page: Page): Promise<void> {
  await type(page, (await panel(page).locator('.type code').innerText()).trim());
}

async function runSample(page: Page, button: string): Promise<void> {
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command', { exact: true }).fill('sh');
  await dialog.getByRole('button', { name: button, exact: true }).click();
  await expect(page).toHaveURL(/#\/containers\//);
}

test('the first visit offers three lessons; no is remembered; ? finds them again', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'New here?' })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Not now' }).click();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Images' })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'New here?' })).toBeHidden();
  await page.keyboard.press('?');
  await expect(page.getByRole('heading', { name: 'Three short lessons' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'What is a layer?' })).toBeEnabled();
});

test('lesson: what a layer and a whiteout are', async ({ page }) => {
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'What is a layer?' }).click();
  await step(page, 1, 4);
  await panel(page).getByRole('link', { name: 'Take me there' }).click();
  await step(page, 2, 4);
  await test.step('terms open their two sentences here', async () => {
    await panel(page).getByRole('button', { name: 'merged tree' }).click();
    await expect(
      panel(page).getByText('It is the tree that the kernel makes with an overlay mount.'),
    ).toBeVisible();
    await page.keyboard.press('Escape');
  });
  const layers = page.getByRole('region', { name: 'Layers' });
  await layers.getByRole('button', { name: /delete etc\/my-app-config/ }).click();
  await layers.getByRole('button', { name: 'This layer only' }).first().click();
  await step(page, 3, 4);
  await page.getByRole('treeitem', { name: /my-app-config/ }).click();
  await step(page, 4, 4);
  await expectAccessible(page);
  await page.getByRole('link', { name: 'Waste' }).click();
  await expect(panel(page)).toContainText('That is the whole lesson');
});

test('lesson: copy-on-write', async ({ page }) => {
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'Copy-on-write' }).click();
  await panel(page).getByRole('link', { name: 'Take me there' }).click();
  await runSample(page, 'Run');
  await step(page, 2, 4);
  await expect(page.getByText('Connected')).toBeVisible();
  await typed(page);
  await step(page, 3, 4);
  await expect(page.getByRole('region', { name: 'What happened' })).toContainText(
    'copied up: /bin/my-app-tools',
  );
  await typed(page);
  await step(page, 4, 4);
  await expect(page.getByRole('region', { name: 'What happened' })).toContainText(
    'whiteout for /etc/os-release',
  );
  await page.goto('/#/');
  await runSample(page, 'Run');
  await expect(panel(page)).toContainText('That is the whole lesson');
  await expect(page.getByText(/Shares \d\.\d\d MB with 1 running container/)).toBeVisible();
});

test('lesson: copy-on-write begins at its beginning where an earlier container did all of it', async ({
  page,
}) => {
  const happened = page.getByRole('region', { name: 'What happened' });
  await page.goto('/#/');
  await runSample(page, 'Run');
  await expect(page.getByText('Connected')).toBeVisible();
  await type(page, 'echo more >> /bin/my-app-tools; rm /etc/os-release');
  await expect(happened).toContainText('copied up: /bin/my-app-tools');
  await expect(happened).toContainText('whiteout for /etc/os-release');
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'Copy-on-write' }).click();
  await panel(page).getByRole('link', { name: 'Take me there' }).click();
  await step(page, 1, 4);
  await runSample(page, 'Run');
  await step(page, 2, 4);
  await expect(page.getByText('Connected')).toBeVisible();
  await typed(page);
  await step(page, 3, 4);
  await typed(page);
  await step(page, 4, 4);
  // The one from before runs still: it is no second container of the lesson.
  await page.reload();
  await step(page, 4, 4);
  await page.goto('/#/');
  await runSample(page, 'Run');
  await expect(panel(page)).toContainText('That is the whole lesson');
});

test('lesson: create, start, commit', async ({ page }) => {
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'Create, start, commit' }).click();
  await panel(page).getByRole('link', { name: 'Take me there' }).click();
  await runSample(page, 'Create only');
  await step(page, 2, 5);
  await page.getByRole('button', { name: /^Start/ }).click();
  await step(page, 3, 5);
  await expect(page.getByText('Connected')).toBeVisible();
  await typed(page);
  await step(page, 4, 5);
  await page.getByRole('button', { name: 'Commit…' }).click();
  await page.getByRole('dialog').getByLabel('Name of the new image').fill('lesson:1');
  await page.getByRole('dialog').getByRole('button', { name: 'Commit', exact: true }).click();
  await step(page, 5, 5);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: /^Kill/ }).click();
  await page.getByRole('button', { name: /^Remove/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(panel(page)).toContainText('That is the whole lesson');
  await page.getByRole('button', { name: '中文' }).click();
  await expect(page.getByRole('complementary', { name: '课程' })).toContainText('这节课就是这些');
});

test('lesson: create, start, commit counts what docker does to its own container, and to no other', async ({
  page,
  given,
}) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const run = (...args: string[]) => docker(given.server?.data ?? '', ...args);
  await page.goto('/#/lessons');
  await page.getByRole('button', { name: 'Create, start, commit' }).click();
  await step(page, 1, 5);
  await run('create', '--name', 'own', 'layerlab/sample', 'sleep', '1000');
  await step(page, 2, 5);
  await run('start', 'own');
  await step(page, 3, 5);
  await run('exec', 'own', 'touch', '/my-file');
  await step(page, 4, 5);
  await run('run', '-d', '--name', 'another', 'layerlab/sample', 'sleep', '1000');
  await run('exec', 'another', 'touch', '/my-file');
  await run('commit', 'another', 'another:1');
  await page.goto('/#/');
  await expect(page.getByRole('link', { name: 'another:1' })).toBeVisible();
  await step(page, 4, 5);
  await run('commit', 'own', 'own:1');
  await step(page, 5, 5);
  await run('rm', '-f', 'own');
  await expect(panel(page)).toContainText('That is the whole lesson');
  await run('rm', '-f', 'another');
  await run('rmi', 'another:1', 'own:1');
});
