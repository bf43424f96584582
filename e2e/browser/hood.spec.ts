import { expect, expectAccessible, expectFits, test } from './fixtures.ts';
import { run } from './terminal.ts';

test('under the hood: the plan says why, the trace how long, the kernel what holds', async ({ page }) => {
  await run(page, 'sh');
  const tabs = page.getByRole('navigation', { name: 'Beside the terminal' });

  await test.step('plan', async () => {
    await tabs.getByRole('link', { name: 'Plan' }).press('Enter');
    await expect(page).toHaveURL(/\/plan$/);
    const plan = page.getByRole('region', { name: 'Plan' });
    await expect(plan.getByRole('button', { name: 'plan', exact: true })).toBeVisible();
    const beyond = await plan.evaluate((pane) => pane.scrollWidth - pane.clientWidth);
    expect(beyond, 'the plan must not scroll sideways').toBe(0);
    const does = "make the container's root the root of this mount namespace";
    const pivot = plan.getByText(does);
    await pivot.click();
    await expect(plan.getByText('pivot_root(2)').first()).toBeVisible();
    await expect(plan.getByText("the process would see the host's files", { exact: true })).toBeVisible();
    const step = plan.getByRole('listitem').filter({ hasText: does });
    await step.getByRole('button', { name: 'Namespace' }).click();
    await expect(step.getByText('A container is a process with namespaces of its own.')).toBeVisible();
    await page.keyboard.press('Escape');
    await expectAccessible(page);
    await page.getByRole('button', { name: '中文' }).click();
    await expect(plan.or(page.getByRole('region', { name: '计划' })).last()).toContainText(
      '把容器的根变成此挂载命名空间的根',
    );
    await page.getByRole('button', { name: 'English' }).click();
  });

  await test.step('trace', async () => {
    await tabs.getByRole('link', { name: 'Trace' }).click();
    const trace = page.getByRole('region', { name: 'Trace' });
    await expect(trace.getByText(/\d+ system calls in [\d.]+ (µs|ms)/)).toBeVisible();
    expect(await trace.getByRole('row').count()).toBeGreaterThan(20);
    await trace.getByRole('button', { name: /^namespaces?$/ }).click();
    await expect(trace.getByText('A container is a process with namespaces of its own.')).toBeVisible();
    await page.keyboard.press('Escape');
    await expectAccessible(page);
  });

  await test.step('live', async () => {
    await tabs.getByRole('link', { name: 'Live' }).click();
    const live = page.getByRole('region', { name: 'Live', exact: true });
    await expect(live.getByRole('heading', { name: 'Namespaces' })).toBeVisible();
    await expect(live.getByRole('cell', { name: '/proc', exact: true })).toBeVisible();
    await expectAccessible(page);
  });

  await test.step('the terminal is the same all along, and a reload finds the view', async () => {
    await expect(page.getByText('Connected')).toBeVisible();
    await page.reload();
    await expect(page.getByRole('heading', { name: 'Capabilities' })).toBeVisible();
  });

  await page.setViewportSize({ width: 360, height: 740 });
  for (const tab of ['Plan', 'Trace', 'Live']) {
    await tabs.getByRole('link', { name: tab }).click();
    await expect(page.getByRole('region', { name: tab, exact: true })).toBeVisible();
    await expectFits(page, tab);
  }
  await expectAccessible(page);
});
