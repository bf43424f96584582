import type { Page } from '@playwright/test';
import { expectAccessible, expectFits, test as served } from './fixtures.ts';
import { expect, goTo, openSample, test } from './site.ts';

const facts = (page: Page) => page.getByRole('region', { name: 'ELF file' });

async function expectFacts(page: Page): Promise<void> {
  await expect(facts(page)).toContainText('linked statically');
  await expect(facts(page)).toContainText('64 bit, little endian');
  await expect(facts(page)).toContainText(/go1\.\d+/);
  await expect(facts(page)).toContainText('stripped');
  await facts(page)
    .getByText(/^\d+ sections by size$/)
    .click();
  await expect(facts(page).getByText('.text', { exact: true })).toBeVisible();
  await expect(facts(page).getByText('.rodata', { exact: true })).toBeVisible();
  await facts(page).getByText('Build settings').click();
  await expect(facts(page)).toContainText('GOARCH=amd64');
}

test('a program of an archive tells what it is, without a server', async ({ page, site }) => {
  await openSample(page, site);
  await goTo(page, '?after=2&path=bin/userland');
  await expectFacts(page);
  await expectAccessible(page);
  // What is no ELF file has none.
  await goTo(page, '?after=2&path=bin/my-app-tools');
  await expect(page.getByRole('heading', { name: 'Content' })).toBeVisible();
  await expect(facts(page)).toHaveCount(0);
  await page.setViewportSize({ width: 360, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await goTo(page, '?after=2&path=bin/userland');
  await expect(facts(page)).toBeVisible();
  await expectAccessible(page);
  await expectFits(page);
});

served('a program of a stored image tells the same', async ({ page, given }) => {
  const answer = await fetch(`${given.origin}/api/v1/images`, {
    headers: { Authorization: `Bearer ${given.secret}` },
  });
  const { images } = (await answer.json()) as { images: { id: string; refs: string[] }[] };
  const sample = images.find((i) => i.refs.includes('layerlab/sample:latest'));
  await page.goto(`/#/images/${sample?.id}?after=2&path=bin/userland`);
  await expectFacts(page);
});
