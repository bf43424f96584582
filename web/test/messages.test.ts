import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { oldTerms, terms } from '../src/core/glossary.ts';
import { en } from '../src/messages/en.ts';
import { zh } from '../src/messages/zh.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const placeholders = (text: string) => [...new Set([...text.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort();
type Key = keyof typeof en;

describe('both languages', () => {
  test('have the same keys', () => expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort()));
  test.each(Object.keys(en) as Key[])('%s takes the same arguments and is not empty', (key) => {
    expect(zh[key]).not.toBe('');
    expect(placeholders(zh[key])).toEqual(placeholders(en[key]));
  });
  test.each([...terms.map((t) => `term.${t}`), ...oldTerms.map((t) => `old.${t}`)])(
    '%s has two sentences',
    (key) => {
      const about = `${key}.about` as Key;
      expect(en[about]).toBeDefined();
      if (key.startsWith('term.')) {
        expect(en[about].match(/[.?!:;](\s|$)/g)?.length).toBeGreaterThanOrEqual(2);
        expect(zh[about].match(/[。？！：，]/g)?.length).toBeGreaterThanOrEqual(2);
      }
    },
  );
  test('nothing is said to be on the left or the right: on a narrow screen it is not', () => {
    const sides = /\bon the (left|right)\b|[左右](边|侧)/;
    expect((Object.keys(en) as Key[]).filter((k) => sides.test(en[k]) || sides.test(zh[k]))).toEqual([]);
  });
  test('Chinese text has Chinese characters', () => {
    const bare = (Object.keys(zh) as Key[]).filter((k) => !/\p{Script=Han}/u.test(zh[k]));
    // Names that are the same in every language.
    expect(bare.sort()).toEqual([
      'container.action',
      'lens.containerd-overlayfs',
      'lens.docker-overlay2',
      'lens.umoci',
      'old.bootfs',
      'old.cacheID',
      'old.missing',
      'old.none',
      'old.tarsum',
      'old.unionfs',
      'stack.of',
      'term.bundle',
      'term.chainID',
      'term.diffID',
      'term.imageID',
      'term.shim',
    ]);
  });
});

function* goFiles(dir: string): Generator<string> {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    if (name.startsWith('.') || name === 'node_modules' || name === 'testdata') continue;
    const path = join(dir, name);
    if (statSync(path).isDirectory()) yield* goFiles(path);
    else if (name.endsWith('.go') && !name.endsWith('_test.go')) yield path;
  }
}

// What reaches the page. cmd and runtime/container speak on the command line only.
const folders = [
  'imagecore',
  'server',
  'sandbox',
  ...['plan', 'launch', 'shim', 'snapshot', 'cgroup', 'seccomp', 'console', 'watch', 'network'].map(
    (r) => `runtime/${r}`,
  ),
];

interface Use {
  code: string;
  where: string;
  /** Names of the arguments, or null where the call does not list them. */
  args: string[] | null;
}

/** The text between the parenthesis at `open` and its partner; strings may hold parentheses. */
function call(text: string, open: number): string {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    const c = text[i];
    if (c === '"') for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === '\\') i++;
    if (c === '`') i = text.indexOf('`', i + 1);
    if (c === '(') depth++;
    if (c === ')' && --depth === 0) return text.slice(open + 1, i);
  }
  return text.slice(open + 1);
}

/** Splits the arguments of a call at its commas. */
function split(inside: string): string[] {
  const out = [''];
  let depth = 0;
  for (let i = 0; i < inside.length; i++) {
    const c = inside[i];
    if (c === '"' || c === '`') {
      const start = i;
      for (i++; i < inside.length && inside[i] !== c; i++) if (c === '"' && inside[i] === '\\') i++;
      out[out.length - 1] += inside.slice(start, i + 1);
      continue;
    }
    if (/[([{]/.test(c)) depth++;
    if (/[)\]}]/.test(c)) depth--;
    if (c === ',' && depth === 0) out.push('');
    else out[out.length - 1] += c;
  }
  return out.map((s) => s.trim()).filter((s) => s !== '');
}

function uses(): Use[] {
  const found: Use[] = [];
  for (const folder of folders) {
    for (const file of goFiles(join(repository, folder))) {
      const text = readFileSync(file, 'utf8');
      const at = (i: number) => `${relative(repository, file)}:${text.slice(0, i).split('\n').length}`;
      for (const m of text.matchAll(/\bNewError\(/g)) {
        const parts = split(call(text, (m.index ?? 0) + m[0].length - 1));
        const code = /^"([^"]+)"$/.exec(parts[1] ?? '')?.[1];
        if (!code) continue;
        const names = parts.slice(3).filter((_, i) => i % 2 === 0);
        const literal = names.every((n) => /^"\w+"$/.test(n));
        found.push({
          code,
          where: at(m.index ?? 0),
          args: literal ? names.map((n) => n.slice(1, -1)) : null,
        });
      }
      // Helpers that take a code among their first arguments: warn("…"), refuse(id, "…"), tooLarge("…").
      for (const m of text.matchAll(/\b(?:warn|warning|refuse|tooLarge|stateError)\(/g)) {
        const parts = split(call(text, (m.index ?? 0) + m[0].length - 1));
        const code = parts
          .slice(0, 3)
          .map((p) => /^"([a-z]+(?:-[a-z0-9]+)*)"$/.exec(p)?.[1])
          .find((c) => c);
        if (code) found.push({ code, where: at(m.index ?? 0), args: null });
      }
      // The table of HTTP statuses that the router itself answers with.
      if (file.endsWith('labapi/errors.go')) {
        for (const m of text.matchAll(/return "([a-z]+(?:-[a-z]+)+)"/g))
          found.push({ code: m[1], where: at(m.index ?? 0), args: null });
      }
      // Composite literals: Warning{Code: "…"}, Error{Code: "…"}.
      for (const m of text.matchAll(/\bCode:\s*"([a-z][a-z0-9-]*)"/g)) {
        if (
          !/imagecore\.(Warning|Error)\b|wire\.Error\b|guest\.Failure\b|\bWarning\{|\bRefusal\{|\bFailure\{/.test(
            text.slice(Math.max(0, (m.index ?? 0) - 300), m.index),
          )
        )
          continue;
        found.push({ code: m[1], where: at(m.index ?? 0), args: null });
      }
    }
  }
  return found;
}

const found = uses();
const codes = [...new Set(found.map((u) => u.code))].sort();

describe('codes of the server and the core', () => {
  test('are found in the Go sources', () => expect(codes.length).toBeGreaterThan(40));
  test('all have words', () => {
    const missing = codes.filter((code) => !Object.hasOwn(en, `code.${code}`));
    const where = (code: string) => found.filter((u) => u.code === code).map((u) => u.where);
    expect(missing.map((code) => `${code} (${where(code).join(', ')})`)).toEqual([]);
  });
  test.each(found.filter((u) => u.args !== null && Object.hasOwn(en, `code.${u.code}`)))(
    '$code at $where gives what its words need',
    (u) => {
      for (const name of placeholders(en[`code.${u.code}` as Key])) {
        if (name === 'message') continue;
        expect(u.args, `the words of "${u.code}" need {${name}}`).toContain(name);
      }
    },
  );
});
