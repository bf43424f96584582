import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { firstUses, linked, type TermName, terms, termsIn, termsOfSteps } from '../src/core/glossary.ts';
import { en } from '../src/messages/en.ts';
import { planZh } from '../src/messages/plan.zh.ts';
import { zh } from '../src/messages/zh.ts';

// Wherever a view's messages use a term of the glossary, the view has a place
// that opens it: <Term>, or <Prose> of a message with the term in it.

const ui = fileURLToPath(new URL('../src/ui/', import.meta.url));
const languages = ['en', 'zh'] as const;

/** What a step of a plan does, what for, and what goes wrong without it; the server words the English. */
type Sentences = readonly [words: string, reason: string, without: string];
const wordsOfSteps = readFileSync(
  new URL('../../runtime/plan/words/words.go', import.meta.url),
  'utf8',
).matchAll(/^\t\t"([a-z-]+)": \{\n([\s\S]*?)\n\t\t\},/gm);
const steps: Record<'en' | 'zh', Record<string, Sentences>> = {
  en: Object.fromEntries(
    [...wordsOfSteps].map(([, code, body]) => {
      const [does, reason, , without] = [...body.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((m) => m[1]);
      return [code, [does, reason, without]];
    }),
  ),
  zh: planZh,
};
/** The same as messages: step.CODE.words, .reason and .without. */
const asMessages = (of: Record<string, Sentences>) =>
  Object.fromEntries(
    Object.entries(of).flatMap(([code, sentences]) =>
      ['words', 'reason', 'without'].map((part, i) => [`step.${code}.${part}`, sentences[i]]),
    ),
  );
const messages: Record<'en' | 'zh', Record<string, string>> = {
  en: { ...en, ...asMessages(steps.en) },
  zh: { ...zh, ...asMessages(steps.zh) },
};
const keys = Object.keys(messages.en);
/** As a reader may see it. */
const said = (text: string) =>
  text
    .replace(/\{\w+\|[^|}]*\|([^}]*)\}/g, '$1')
    .replace(/\{\w+\}/g, '…')
    .replace(/\[\[(\w+)\]\]/g, (_, name: string) => `[[${name}|${en[`term.${name}` as keyof typeof en]}]]`)
    .replace(/\[\[\w+\|([^\]]+)\]\]/g, '$1');

/** What is one view to the reader: whatever opens a term elsewhere does not open it there. */
const views = [
  'HomePage',
  'SiteHome',
  'LoginPage',
  'PreviewPage',
  'ImageView',
  'player/PlayerView',
  'DiffView',
  'WasteView',
  'papers/PapersView',
  'identity/IdentityView',
  'ContainerPage',
  'hood/PlanPane',
  'hood/TracePane',
  'hood/FactsPane',
  'VolumesPage',
  'NetworksPage',
  'activity/ActivityPage',
  'LessonsPage',
  'LessonPanel',
  'replay/RecordingPage',
  'replay/RecordingsPage',
  'replay/ReplayPage',
  'share/SharedPage',
  // Dialogs lie over the page and take what is under them away.
  'RunDialog',
  'CommitDialog',
  'share/ShareDialog',
  // These stand in any view.
  'Problem',
  'Masthead',
  'ConnectionBar',
].map((name) => join(ui, `${name}.svelte`));
// The words themselves are shown as text, and what a dialog asks is not more than a question.
const source = new Map<string, string>();
const read = (file: string) => {
  const text = source.get(file) ?? readFileSync(file, 'utf8');
  source.set(file, text);
  return text;
};

/** The files that make up a view: what it imports, but for other views. */
function filesOf(view: string): string[] {
  const found = new Set([view]);
  for (const file of found) {
    for (const [, target] of read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      const path = join(dirname(file), target);
      if (
        path.startsWith(ui) &&
        /\.(svelte|ts)$/.test(path) &&
        !views.includes(path) &&
        !/(App\.svelte|words\.svelte\.ts)$/.test(path)
      )
        found.add(path);
    }
  }
  return [...found];
}

/** The keys of messages that a piece of source names, whole or with a part that is put in. */
function keysIn(text: string): string[] {
  const out = new Set<string>();
  for (const [, key] of text.matchAll(/'([\w.\- ]+)'/g)) if (Object.hasOwn(en, key)) out.add(key);
  for (const [, form] of text.matchAll(/`([\w.-]*\.[^`\s]*\$\{[^`]*)`/g)) {
    const parts = form.split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/);
    const like = new RegExp(`^${parts.map((p) => p.replaceAll('.', '\\.')).join('[\\w.\\- ]+')}$`);
    for (const key of keys) if (like.test(key)) out.add(key);
  }
  // Words for what the server and the core report, whatever it is.
  for (const of of ['code', 'note'])
    if (text.includes(`words.${of}(`)) for (const key of keys) if (key.startsWith(`${of}.`)) out.add(key);
  const step = /words\.step\(.*\)(\.words)?/.exec(text);
  if (step) for (const key of keys) if (key.startsWith('step.') && key.endsWith(step[1] ?? '')) out.add(key);
  if (text.includes('{meaning(')) for (const key of keys) if (spoken['meaning('].test(key)) out.add(key);
  // The glossary itself, and the lessons, which have a test of their own.
  return [...out].filter((k) => !/^(term|old|lesson)\./.test(k));
}

/** Messages that a component does not name where it shows them. */
const spoken: Record<string, RegExp> = {
  '.words}': /^code\./,
  'words.code(': /^code\./,
  'noted(': /^note\./,
  'ended(': /^end\./,
  'meaning(': /^[mi]?field\.|^names\./,
  'text={lead}': /^(volumes|networks)\.lead$/,
  'text={done[': /^step\..*\.words$/,
  'text={said.reason}': /^step\..*\.reason$/,
  'text={said.without}': /^step\..*\.without$/,
  'bad ??': /^run\.\w+Hint$|^run\.commandEntrypoint$|^line\./,
};

/** What a view's source opens, in a language. */
function opened(text: string, language: 'en' | 'zh'): Set<TermName> {
  const out = new Set<TermName>();
  for (const [, name] of text.matchAll(/<Term of="(\w+)"/g)) out.add(name as TermName);
  // Of what a step does those that the rest of it does not use: see the test of its sentences.
  if (text.includes('{#each named(said) as term (term)}<Term of={term} />'))
    for (const key of keys)
      if (/^step\..*\.words$/.test(key))
        for (const x of termsIn(messages[language][key], language)) out.add(x);
  for (const [tag] of text.matchAll(/<Prose\s(?:[^<>]|=>)*?\/>/g)) {
    const link = /link=(?:"all"|\{(\w+)(?:\[\w+\])?\})/.exec(tag);
    const list = link?.[1] && new RegExp(`const ${link[1]}[^=]*= \\[([^\\]]*)\\]`).exec(text)?.[1];
    const by = Object.keys(spoken).find((call) => tag.includes(call));
    const named = by ? keys.filter((k) => spoken[by].test(k)) : keysIn(tag);
    for (const key of named) {
      const message = messages[language][key];
      for (const [, name] of message.matchAll(/\[\[(\w+)/g)) out.add(name as TermName);
      if (link)
        for (const x of termsIn(said(message), language)) if (!list || list.includes(`'${x}'`)) out.add(x);
    }
  }
  return out;
}

/** An image's views stand under its head, or under that of a container. */
const frames = ['ImageHead', 'ContainerInside'].map((name) => join(ui, `${name}.svelte`));

// Names of things on the page that are no use of a term.
const names = new Set([
  // Links to the view whose first words open it.
  'nav.home',
  'hood.layer',
  'hood.plan',
  'hood.trace',
  'home.tree',
  'inside.open',
  // What a glyph is called where it stands before a path.
  'status.hidden',
]);

describe.each(views.map((v) => [relative(ui, v).replace('.svelte', ''), v]))('%s', (_, view) => {
  test.each(languages)('opens every term that it uses, in %s', (language) => {
    const files = filesOf(view);
    const has = opened(files.map(read).join('\n'), language);
    // What stands over it, whichever that is.
    const [head, inside] = frames.map((f) => opened(read(f), language));
    if (/ImageView/.test(view)) for (const term of head) if (inside.has(term)) has.add(term);
    const lacks = new Map<TermName, string[]>();
    for (const key of new Set(files.flatMap((f) => keysIn(read(f)))))
      for (const term of termsIn(said(messages[language][key]), language))
        if (!has.has(term) && !names.has(key) && (!key.startsWith('step.') || termsOfSteps.includes(term)))
          lacks.set(term, [...(lacks.get(term) ?? []), key]);
    expect(Object.fromEntries(lacks)).toEqual({});
  });
});

test.each(['said.reason', 'said.without'])('a step’s words open their terms where they stand: %s', (part) => {
  expect(read(join(ui, 'hood/PlanPane.svelte'))).toContain(`<Prose text={${part}} link={termsOfSteps} />`);
});

test('an error’s words open their terms themselves, where they stand', () => {
  expect(read(join(ui, 'Problem.svelte'))).toContain('<Prose text={p.words} link="all" />');
});

describe.each(languages)('the steps of a plan, in %s', (language) => {
  test.each(Object.entries(steps[language]))('%s opens its terms', (_, [does, reason, without]) => {
    const opens = [
      ...[reason, without].flatMap((text) =>
        linked(text, language, termsOfSteps).flatMap((p) => (p.kind === 'term' ? [p.term] : [])),
      ),
      ...firstUses([reason, without, does], language, termsOfSteps)[2],
    ];
    const uses = [does, reason, without].flatMap((text) => termsIn(text, language));
    expect(opens).toEqual(expect.arrayContaining(uses.filter((x) => termsOfSteps.includes(x))));
  });
});

test.each([
  ['en', 'Layers are laid over layers; a Layer’s tar.', 'Layers'],
  ['en', 'An opaque whiteout and a whiteout.', 'opaque whiteout|whiteout'],
  ['en', '/images/layer, config.json and <kernel>', ''],
  ['en', 'the container’s own layer, a layer of a lower layer', 'container’s own layer|layer'],
  ['en', "writes end in the container's layer", "container's layer"],
  ['zh', '容器层在镜像各层之上，镜像', '容器层|镜像|层'],
] as const)('%s: in “%s” open %j', (language, text, want) => {
  const found = linked(text, language);
  expect(found.map((p) => p.text).join('')).toBe(text);
  expect(found.flatMap((p) => (p.kind === 'term' ? [p.text] : [])).join('|')).toBe(want);
});

test('a term is found where its own two sentences name it', () => {
  for (const name of terms)
    for (const l of languages)
      expect(termsIn(messages[l][`term.${name}`], l).length, `${l} ${name}`).toBeGreaterThan(0);
});
