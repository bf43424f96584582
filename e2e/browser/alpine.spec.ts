import { corpusFile, expect, look, test } from './fixtures.ts';
import { screen, type } from './terminal.ts';

// A real image from its file to a shell in it, where the corpus is at hand.

test('alpine is looked into, uploaded, run, and its new layer seen', async ({ page }) => {
  const file = corpusFile('docker-save/docker-18.06-alpine-3.10.tar.gz');
  test.skip(file === null, 'the corpus of real images is not on this machine');

  await look(page, file ?? '');
  await expect(page.getByRole('heading', { name: 'alpine:3.10' })).toBeVisible();
  await page.getByRole('button', { name: 'Upload this' }).click();
  await page
    .getByRole('listitem', { name: /Upload of/ })
    .getByRole('link', { name: 'alpine:3.10' })
    .click();
  await page.getByRole('button', { name: 'Run', exact: true }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Command').fill('sh');
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Connected')).toBeVisible();

  await type(page, '. /etc/os-release; echo "$ID $((6*7))"');
  await expect(screen(page)).toContainText('alpine 42');
  await type(
    page,
    'echo hello > /root/new; rm /etc/motd; echo more >> /etc/issue; adduser -D somebody; id somebody',
  );
  await expect(screen(page)).toContainText('uid=1000(somebody)');
  const changes = page.getByRole('list', { name: 'Paths written' }).getByRole('listitem');
  await expect(changes.filter({ hasText: '/root/new' })).toContainText('added');
  await expect(changes.filter({ hasText: '/etc/motd' })).toContainText('deleted');
  await expect(changes.filter({ hasText: '/etc/issue' })).toContainText('copied up');
  // adduser writes a new file and renames it: nothing is copied up for that.
  const passwd = changes.filter({ hasText: /\/etc\/passwd(?!-)/ });
  await expect(passwd).toContainText('changed');
  await expect(passwd).not.toContainText('copied up');

  await page.reload();
  await expect(page.getByText('Connected')).toBeVisible();
  await type(page, 'echo "again $((6*7))"');
  await expect(screen(page)).toContainText('again 42');

  await page.getByRole('button', { name: 'Commit…' }).click();
  await dialog.getByLabel('Name of the new image').fill('alpine-with-somebody:1');
  await dialog.getByRole('button', { name: 'Commit', exact: true }).click();
  await dialog.getByRole('link', { name: 'Show the new layer' }).click();
  await expect(page.getByRole('heading', { name: 'alpine-with-somebody:1' })).toBeVisible();
  await expect(page.getByRole('treeitem').filter({ hasText: 'somebody' }).first()).toBeVisible();
});
