import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { duration, type PlanStep, type StepResult, stretches, traceOf } from '../src/core/plan.ts';
import { planZh } from '../src/messages/plan.zh.ts';

const source = (name: string) => readFileSync(new URL(`../../runtime/plan/${name}`, import.meta.url), 'utf8');
const placeholders = (text: string) => new Set([...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]));

describe('Chinese words of the steps', () => {
  const entries = [...source('words/words.go').matchAll(/^\t\t"([a-z-]+)": \{\n([\s\S]*?)\n\t\t\},/gm)];
  test('are found in the Go source', () => expect(entries.length).toBeGreaterThan(50));
  test('there are those of every code, and no others', () =>
    expect(Object.keys(planZh).sort()).toEqual(entries.map((e) => e[1]).sort()));
  test.each(entries.map((e) => [e[1], e[2]]))(
    '%s is worded and asks for no other arguments',
    (code, body) => {
      const given = placeholders(body);
      for (const text of planZh[code] ?? []) {
        expect(text).toMatch(/\p{Script=Han}/u);
        for (const name of placeholders(text)) expect(given, `{${name}} in ${code}`).toContain(name);
      }
      expect(placeholders(planZh[code]?.[0] ?? '')).toEqual(placeholders(body.split('",')[0]));
    },
  );
});

test('the types have the fields that the Go types have', () => {
  const fields = (type: string) => {
    const body =
      new RegExp(`^type ${type} struct \\{\\n([\\s\\S]*?)\\n\\}`, 'm').exec(source('plan.go'))?.[1] ?? '';
    return [...body.matchAll(/json:"(\w+)/g)].map((m) => m[1]);
  };
  const ours = readFileSync(new URL('../src/core/plan.ts', import.meta.url), 'utf8');
  for (const [type, name] of [
    ['Step', 'PlanStep'],
    ['Result', 'StepResult'],
    ['Plan', 'Plan'],
  ]) {
    const body = new RegExp(`interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(ours)?.[1] ?? '';
    for (const [, field] of body.matchAll(/^ {2}(\w+)\??:/gm))
      expect(fields(type), `${name}.${field}`).toContain(field);
  }
});

const step = (code: string, where: PlanStep['where']): PlanStep => ({
  code,
  where,
  call: '',
  words: code,
  reason: '',
  man: '',
  without: '',
});
const result = (n: number, code: string, start: number, took: number, ok = true): StepResult => ({
  step: n,
  code,
  start,
  took,
  calls: 2,
  ok,
});

test('steps stand in stretches of the process that makes them', () => {
  const steps = [
    step('a', 'host'),
    step('b', 'host'),
    step('c', 'parent'),
    step('d', 'child'),
    step('e', 'host'),
  ];
  expect(stretches({ clone: '', steps }).map((s) => [s.where, s.steps.map((x) => x.at)])).toEqual([
    ['host', [0, 1]],
    ['parent', [2]],
    ['child', [3]],
    ['host', [4]],
  ]);
  expect(stretches({ clone: '', steps: null })).toEqual([]);
});

test('a trace is laid on one scale, and the wait for the start is cut out', () => {
  const sum = traceOf([
    result(1, 'wait-for-start', 1000, 1_000_000),
    result(0, 'open-root', 0, 1000),
    result(2, 'execute', 1_001_000, 1000, false),
  ]);
  expect(sum.launch).toBe(2000);
  expect(sum.rows.map((r) => [r.result.code, r.from, r.length, r.waits])).toEqual([
    ['open-root', 0, 0.5, false],
    ['wait-for-start', 0.5, 0, true],
    ['execute', 0.5, 0.5, false],
  ]);
  expect([sum.work, sum.calls, sum.failed]).toEqual([2000, 6, 1]);
  expect(traceOf([]).rows).toEqual([]);
});

test.each([
  [850, '850 ns'],
  [12_345, '12.3 µs'],
  [4_060_000, '4.06 ms'],
  [2e9, '2.00 s'],
  [0, '0 ns'],
])('%d nanoseconds are %s', (ns, want) => expect(duration(ns)).toBe(want));
