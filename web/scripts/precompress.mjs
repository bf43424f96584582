// Writes a .br and a .gz beside every text and wasm file of dist, so that the
// server never compresses while it answers, and puts back the placeholder that
// `go:embed` needs before a build.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const kinds = /\.(html|js|css|svg|wasm|txt|json)$/;
// Compressed bytes of what a first visit loads: everything but the wasm core
// and the parts that wait until they are asked for.
const budget = 350 * 1024;

function* files(dir) {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

let first = 0;
for (const path of [...files(dist)]) {
  if (!kinds.test(path)) {
    if (/\.woff2$/.test(path)) first += statSync(path).size;
    continue;
  }
  const bytes = readFileSync(path);
  const quality = path.endsWith('.wasm') ? 9 : 11;
  const br = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  writeFileSync(`${path}.br`, br);
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  if (!path.endsWith('.wasm') && !/\/lazy-[^/]*$/.test(path)) first += br.length;
}
writeFileSync(join(dist, '.keep'), '');
process.stdout.write(
  `first load: ${(first / 1024).toFixed(0)} KB compressed, fonts included (budget ${budget / 1024})\n`,
);
if (first > budget) {
  process.stderr.write('the first load is over its budget\n');
  process.exit(1);
}
