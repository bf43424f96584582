import { expect, type Page } from '@playwright/test';

/** The text on a terminal's screen, as its DOM renderer has it. */
export const screen = (page: Page) => page.locator('.xterm-rows').first();

/** Runs the sample image from the first page, with its own command where none is given. */
export async function run(page: Page, command?: string): Promise<void> {
  await page.goto('/');
  await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
  const dialog = page.getByRole('dialog');
  if (command !== undefined) await dialog.getByLabel('Command').fill(command);
  await dialog.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page.getByText('Connected')).toBeVisible();
}

/** Types a line into the first terminal of the page. */
export async function type(page: Page, line: string): Promise<void> {
  await page.locator('.xterm-helper-textarea').first().focus();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}
