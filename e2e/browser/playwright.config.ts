import { defineConfig } from '@playwright/test';

// The tests run against bin/layerlab, which each worker starts on a port of its
// own with an empty data folder; LAYERLAB_URL (the address that a running server
// printed, with its code) takes its place where given.
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  workers: 1,
  timeout: 45_000,
  expect: { timeout: 10_000 },
  reporter: process.env.CI ? [['list'], ['html', { open: 'never' }]] : 'list',
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath: process.env.LAYERLAB_CHROMIUM ?? '/usr/bin/chromium' },
    locale: 'en-GB',
    viewport: { width: 1280, height: 800 },
    trace: 'retain-on-failure',
  },
});
