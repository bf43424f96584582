import { defineConfig } from '@playwright/test';
import tests from './playwright.config.ts';

// Figures of the page: `make bench-web`. They are printed; nothing passes or
// fails by them.
export default defineConfig(tests, {
  testDir: 'bench',
  testMatch: '*.bench.ts',
  timeout: 900_000,
  // What else runs would be measured, too.
  workers: 1,
  // A recorder would be measured with the page.
  use: { trace: 'off' },
  reporter: 'line',
});
