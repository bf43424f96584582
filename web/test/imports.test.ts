import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src/', import.meta.url));

// Who may import whom, and why not more.
const allowed: Record<string, string[]> = {
  core: ['core'], // pure: runs without a browser and is tested without one
  io: ['io', 'core'], // the browser's interfaces, but no picture of them
  messages: ['messages'], // words only
  ui: ['ui', 'io', 'core', 'messages'],
  '': ['ui'],
};

function* sources(dir: string): Generator<string> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) yield* sources(path);
    else if (/\.(ts|svelte)$/.test(name)) yield path;
  }
}

const layerOf = (path: string) => {
  const rel = relative(src, path);
  return rel.includes('/') ? rel.split('/')[0] : '';
};

test.each([...sources(src)].map((p) => relative(src, p)))('%s keeps to its layer', (file) => {
  const path = join(src, file);
  const text = readFileSync(path, 'utf8');
  const from = layerOf(path);
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const to = layerOf(join(path, '..', target));
    expect(allowed[from], `${file} imports ${target}`).toContain(to);
  }
  if (from === 'core') {
    expect(text, `${file} must not touch the browser`).not.toMatch(
      /(?<![.\w])(?:(?:window|document|localStorage|navigator)\.|fetch\()/,
    );
    expect(text.match(/from '([^.'][^']*)'/g) ?? [], `${file} imports packages`).toEqual([]);
  }
});

test.each(
  [...sources(src)].map((p) => relative(src, p)).filter((f) => !/^(messages\/|core\/wire\.ts)/.test(f)),
)('%s is one idea, at most 300 lines', (file) =>
  expect(readFileSync(join(src, file), 'utf8').split('\n').length).toBeLessThanOrEqual(300),
);
