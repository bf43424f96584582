import { describe, expect, test } from 'vitest';
import { terms, termsIn } from '../src/core/glossary.ts';
import { advance, type Lesson, lessons, type Seen } from '../src/core/lessons.ts';
import { pieces } from '../src/core/prose.ts';
import { parseRoute } from '../src/core/route.ts';
import type { Changes, Container, Image } from '../src/core/wire.ts';
import { en } from '../src/messages/en.ts';
import { zh } from '../src/messages/zh.ts';

const layers = ['base', 'add', 'modify x, delete etc/my-app-config', 'replace'].map((createdBy, i) => ({
  chainID: `chain${i}`,
  createdBy,
}));
const sample = { id: 'sha256:aa', layers };
const lesson = (id: string) => lessons.find((l) => l.id === id) as Lesson;
const wrote = (...changes: [Changes['changes'][0]['kind'], number][]): Changes => ({
  changes: changes.map(([kind, copiedUp]) => ({ kind, path: 'x', type: 'file', size: 1, copiedUp })),
  bytes: 0,
  copiedUp: 0,
  truncated: false,
});
const container = (id: string, state: Container['state'], more: Partial<Container> = {}) =>
  ({
    id,
    image: sample.id,
    state,
    startedAt: state === 'created' ? null : '2026-11-01T12:00:00Z',
    ...more,
  }) as Container;
const seen = (hash: string, more: Partial<Seen> = {}): Seen => ({
  route: parseRoute(hash),
  sample,
  images: [],
  containers: [],
  before: new Set(),
  changes: new Map(),
  ...more,
});

test('layers: step by step, and all at once by who is ahead', () => {
  const l = lesson('layers');
  const walk = [
    '#/',
    '#/images/sha256:aa',
    '#/images/sha256:aa?only=1',
    '#/images/sha256:aa?only=2',
    '#/images/sha256:aa?only=2&path=etc%2Fmy-app-config',
    '#/images/sha256:aa/waste',
  ];
  let kept: readonly string[] = [];
  const at = walk.map((hash) => {
    kept = advance(l, kept, seen(hash));
    return kept.length;
  });
  expect(at).toEqual([0, 1, 1, 2, 3, 4]);
  expect(advance(l, [], seen('#/images/sha256:bb?only=2'))).toEqual([]);
  expect(advance(l, [], seen('#/preview/sha256:aa?only=2&path=etc%2Fmy-app-config')).length).toBe(3);
  expect(advance(l, [], seen('#/images/sha256:aa', { sample: null }))).toEqual([]);
});

test('copy-on-write: what the engine tells of layers counts, not what was pressed', () => {
  const l = lesson('cow');
  const one = container('one', 'running');
  let kept = advance(l, [], seen('#/', { containers: [container('new', 'created')] }));
  expect(kept).toEqual([]);
  kept = advance(
    l,
    kept,
    seen('#/', { containers: [one, container('else', 'running', { image: 'other' })] }),
  );
  expect(kept).toEqual(['one']);
  kept = advance(l, kept, seen('#/', { containers: [one], changes: new Map([['one', wrote(['A', 0])]]) }));
  expect(kept.length).toBe(1);
  const changed = new Map([['one', wrote(['C', 100], ['D', 0])]]);
  kept = advance(l, kept, seen('#/', { containers: [one], changes: changed }));
  expect(kept).toEqual(['one', 'one', '']);
  kept = advance(l, kept, seen('#/', { containers: [one, container('two', 'running')], changes: changed }));
  expect(kept).toEqual(['one', 'one', '', 'two']);
});

test('copy-on-write: what containers from before the lesson did, and do, is not the lesson’s', () => {
  const l = lesson('cow');
  const [old, own, second] = ['old', 'own', 'second'].map((id) => container(id, 'running'));
  const did = wrote(['C', 100], ['D', 0]);
  const before = new Set(['old']);
  let kept: readonly string[] = [];
  const walk = [
    { containers: [old], changes: new Map([['old', did]]), before: null },
    { containers: [old], changes: new Map([['old', did]]) },
    { containers: [old, own], changes: new Map([['old', did]]) },
    { containers: [old, own], changes: new Map([['old', did]]).set('own', wrote(['C', 1])) },
    { containers: [old, own], changes: new Map([['old', did]]).set('own', did) },
    { containers: [old, own, second], changes: new Map([['own', did]]) },
  ];
  const at = walk.map((w) => {
    kept = advance(l, kept, seen('#/', { before, ...w }));
    return kept;
  });
  expect(at).toEqual([[], [], ['own'], ['own', 'own'], ['own', 'own', ''], ['own', 'own', '', 'second']]);
});

test('a lesson whose container was removed asks for another', () => {
  const l = lesson('cow');
  const kept = ['own', 'own', ''];
  expect(advance(l, kept, seen('#/'))).toEqual([]);
  expect(advance(l, kept, seen('#/', { before: null }))).toBe(kept);
  expect(advance(l, kept, seen('#/', { containers: [container('own', 'exited')] }))).toBe(kept);
  expect(advance(l, kept, seen('#/', { containers: [container('new', 'running')] }))).toEqual(['new']);
  const over = ['own', 'own', '', 'second'];
  expect(advance(l, over, seen('#/'))).toBe(over);
  expect(advance(lesson('life'), ['own', ''], seen('#/'))).toEqual([]);
  const ready = container('old', 'created');
  expect(advance(lesson('life'), [], seen('#/', { containers: [ready], before: new Set(['old']) }))).toEqual(
    [],
  );
});

test('create, start, commit: each from the engine’s state', () => {
  const l = lesson('life');
  const c = (state: Container['state']) => ({ containers: [container('c', state)] });
  const made = (id: string, created: string, committedFrom?: string) =>
    ({ id, created, committedFrom, layers: [...layers, { chainID: id, createdBy: '' }] }) as unknown as Image;
  const others = [
    made('early', '2026-11-01T11:59:59Z', 'c'), // before it was started
    made('other', '2026-11-01T12:00:01Z', 'd'), // of another container
    made('loaded', '2026-11-01T12:00:02Z'), // not committed here
  ];
  let kept = advance(l, [], seen('#/', c('running')));
  expect(kept).toEqual([]);
  for (const s of [
    seen('#/', { ...c('created'), images: others }),
    seen('#/', { ...c('running'), images: others }),
    seen('#/', { ...c('running'), images: others, changes: new Map([['c', wrote(['A', 0])]]) }),
    seen('#/', { ...c('running'), images: [...others, made('made', '2026-11-01T12:00:01.5Z', 'c')] }),
    seen('#/'),
  ]) {
    const next = advance(l, kept, s);
    expect(next.length).toBe(kept.length + 1);
    kept = next;
  }
  expect(kept).toEqual(['c', '', '', 'made', '']);
});

describe.each([
  ['English', en as Record<string, string>],
  ['Chinese', zh as Record<string, string>],
])('%s words of the lessons', (_, words) => {
  test.each(
    lessons.flatMap((l) =>
      l.steps.flatMap((s) => [`lesson.${l.id}.${s.key}.do`, `lesson.${l.id}.${s.key}.why`]),
    ),
  )('%s', (key) => {
    expect(words[key]).toBeTruthy();
    for (const p of pieces(words[key])) if (p.kind === 'term') expect(terms).toContain(p.term);
  });
  test.each(lessons)('$id opens every term that it uses', (l) => {
    const texts = l.steps.flatMap((s) =>
      ['do', 'why'].map((part) => pieces(words[`lesson.${l.id}.${s.key}.${part}`])),
    );
    const opens = texts.flat().flatMap((p) => (p.kind === 'term' ? [p.term] : []));
    const said = texts.map((all) => all.map((p) => (p.kind === 'code' ? '' : p.text)).join(''));
    expect(
      said.flatMap((text) => termsIn(text, words === zh ? 'zh' : 'en')).filter((x) => !opens.includes(x)),
    ).toEqual([]);
  });
  test('titles', () => {
    for (const l of lessons)
      expect(words[`lesson.${l.id}.title`] && words[`lesson.${l.id}.about`]).toBeTruthy();
  });
});
