import { defineConfig } from '@playwright/test';

// The tests run against bin/layerlab, which each worker starts on a port of its
// own with an empty data folder; LAYERLAB_URL (the address that a running server
// printed, with its code) takes its place where given.
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  // Half of a test is waiting for the server or the kernel. A server that is
  // given is one for all: its tests run one after the other.
  workers: process.env.LAYERLAB_URL ? 1 : 2,
  // Both are for what hangs: how long something takes decides nothing.
  timeout: 90_000,
  expect: {
    timeout: 20_000,
    // Another processor rounds a curve or a shadow differently; a word or a box
    // that moved is more than that.
    toHaveScreenshot: {
      threshold: 0.3,
      maxDiffPixelRatio: 0.01,
      animations: 'disabled',
      caret: 'hide',
      scale: 'css',
    },
  },
  snapshotPathTemplate: 'pictures/{arg}{ext}',
  reporter: process.env.CI ? [['list'], ['html', { open: 'never' }]] : 'list',
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.LAYERLAB_CHROMIUM ?? '/usr/bin/chromium',
      // Letters are drawn alike whatever the machine's font settings.
      args: ['--font-render-hinting=none', '--disable-lcd-text', '--force-color-profile=srgb'],
    },
    locale: 'en-GB',
    viewport: { width: 1280, height: 800 },
    // A trace costs a third of the time of every test: `npx playwright test --trace on`
    // takes one where a failure is looked at.
    trace: 'off',
    screenshot: 'only-on-failure',
  },
});
