import { expect, expectAccessible, test } from './fixtures.ts';

test('lists that cannot be read say so, and come when they can', async ({ page }) => {
  await page.route('**/api/v1/images', (route) =>
    route.fulfill({ status: 500, json: { code: 'internal', message: 'internal', requestID: 'r-1' } }),
  );
  await page.goto('/');
  const alert = page.getByRole('alert').filter({ hasText: 'The lists cannot be read' });
  await expect(alert).toContainText('r-1');
  await expect(page.getByText('No images yet')).toHaveCount(0);
  await expectAccessible(page);
  await page.unroute('**/api/v1/images');
  await page.reload();
  await expect(page.getByRole('article').first()).toBeVisible();
  await expect(alert).toHaveCount(0);
});

test('a part that does not come says so, and is there after a reload', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('article').first()).toBeVisible();
  await page.route('**/assets/lazy-VolumesPage-*.js', (route) => route.abort());
  await page.getByRole('link', { name: 'Volumes' }).click();
  await expect(page.getByRole('alert')).toContainText('A part of the page could not be loaded');
  await expectAccessible(page);
  await page.unroute('**/assets/lazy-VolumesPage-*.js');
  await page.getByRole('button', { name: 'Reload the page' }).click();
  await expect(page.getByRole('heading', { name: /^Volumes/ })).toBeVisible();
});

for (const [what, hash, words] of [
  ['an image', '/#/images/sha256:00', 'There is no such image.'],
  ['a container', '/#/containers/nobody', 'There is no container nobody.'],
  ['a container’s files', '/#/containers/nobody/inside', 'There is no container nobody.'],
  ['an activity', '/#/activity/999999', 'Activity 999999 is not kept any more.'],
] as const) {
  test(`${what} that is not there is said in words`, async ({ page }) => {
    await page.goto(hash);
    await expect(page.getByRole('alert')).toContainText(words);
    await expectAccessible(page);
  });
}
