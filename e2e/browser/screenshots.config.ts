import { defineConfig } from '@playwright/test';
import tests from './playwright.config.ts';

// Takes the README's screenshots: `make screenshots`.
export default defineConfig(tests, { testMatch: 'screenshots.pics.ts', workers: 1 });
