import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const wasm = fileURLToPath(new URL('./src/io/imagecore.wasm', import.meta.url));

/** Fails a build early and clearly when the core has not been compiled yet. */
function needsCore(): Plugin {
  return {
    name: 'needs-imagecore-wasm',
    apply: 'build',
    buildStart() {
      if (!existsSync(wasm)) {
        this.error('web/src/io/imagecore.wasm is missing: run `make wasm` first');
      }
    },
  };
}

export default defineConfig({
  plugins: [needsCore(), svelte()],
  build: {
    target: 'es2023',
    // Inlined assets would be data: URLs, which the content security policy refuses.
    assetsInlineLimit: 0,
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      // What is loaded only when it is asked for says so in its name; see scripts/precompress.mjs.
      output: { chunkFileNames: (chunk) => `assets/${chunk.isDynamicEntry ? 'lazy-' : ''}[name]-[hash].js` },
    },
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: process.env.LAYERLAB_SERVER ?? 'http://127.0.0.1:8080', ws: true } },
  },
});
