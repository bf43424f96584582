import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  filtered,
  held,
  merge,
  namesOf,
  put,
  refused,
  resultsOf,
  saved,
  spoken,
} from '../src/core/activity.ts';
import type { Activity } from '../src/core/wire.ts';
import { en } from '../src/messages/en.ts';

const call = (id: number, more: Partial<Activity> = {}): Activity => ({
  id,
  time: new Date(1e12 + id * 1000).toISOString(),
  took: 0,
  done: true,
  by: 'docker',
  client: '',
  verb: 'start',
  method: 'POST',
  path: '/containers/web/start',
  status: 204,
  error: '',
  reads: false,
  containers: [{ id: 'c'.repeat(64), name: 'web' }],
  images: [],
  mounts: [],
  notes: [],
  events: [],
  steps: 0,
  calls: 0,
  ...more,
});
const ids = (list: Activity[]) => list.map((a) => a.id);

describe('the list of calls', () => {
  test('stays newest first, each once', () => {
    let list: Activity[] = [];
    for (const id of [2, 1, 4, 3]) list = put(list, call(id, { done: false }));
    list = put(list, call(3));
    expect(ids(list)).toEqual([4, 3, 2, 1]);
    expect(list[1].done).toBe(true);
  });
  test('is bounded', () => {
    let list: Activity[] = [];
    for (let id = 1; id <= held + 20; id++) list = put(list, call(id));
    expect(list.length).toBe(held);
    expect(list[0].id).toBe(held + 20);
  });
  test('takes over what was told while the list was on its way', () => {
    const asked = [call(2, { done: false }), call(1)];
    const told = [call(3), call(2), call(1, { done: false })];
    const list = merge(asked, told);
    expect(ids(list)).toEqual([3, 2, 1]);
    expect(list.map((a) => a.done)).toEqual([true, true, true]);
  });
  test('forgets what an earlier run of the server told', () => {
    const old = call(90, { time: new Date(1e12 - 5000).toISOString() });
    expect(ids(merge([call(2), call(1)], [old]))).toEqual([2, 1]);
  });
});

describe('words', () => {
  test('are docker’s, with the names', () => {
    expect(spoken(call(1))).toBe('docker start web');
    expect(spoken(call(1, { verb: '', method: 'GET', path: '/swarm' }))).toBe('GET /swarm');
    const images = [{ id: 'sha256:0123456789abcdef', name: '' }];
    expect(spoken(call(1, { verb: 'rmi', containers: [], images }))).toBe('docker rmi 0123456789ab');
    const many = ['a', 'b', 'c', 'd'].map((name) => ({ id: name, name }));
    expect(namesOf(call(1, { containers: many }))).toEqual(['a', 'b', 'c', '…']);
  });
  test('every note of the server has them', () => {
    const root = fileURLToPath(new URL('../../server/', import.meta.url));
    const codes = new Set<string>();
    const walk = (dir: string) => {
      for (const name of readdirSync(dir)) {
        const path = join(dir, name);
        if (statSync(path).isDirectory()) walk(path);
        else if (name.endsWith('.go') && !name.endsWith('_test.go')) {
          const text = readFileSync(path, 'utf8');
          for (const m of text.matchAll(/\.Did\([^,"]*,\s*"([a-z-]+)"/g)) codes.add(m[1]);
          for (const m of text.matchAll(/code (?::=|=) "(signalled[a-z-]*)"/g)) codes.add(m[1]);
        }
      }
    };
    walk(root);
    expect(codes.size).toBeGreaterThan(5);
    expect([...codes].filter((c) => !Object.hasOwn(en, `note.${c}`))).toEqual([]);
  });
});

test('the filter', () => {
  const list = [
    call(4, { verb: 'ps', reads: true, containers: [] }),
    call(3, { verb: 'rm', status: 409, path: '/containers/web' }),
    call(2, { verb: 'start' }),
    call(1, {
      verb: 'rmi',
      done: false,
      status: 0,
      containers: [],
      images: [{ id: 'sha256:ab', name: 'lab:1' }],
    }),
  ];
  const ask = (f: Partial<Parameters<typeof filtered>[1]>) =>
    ids(filtered(list, { reads: false, failed: false, text: '', ...f }));
  expect(ask({})).toEqual([3, 2, 1]);
  expect(ask({ reads: true })).toEqual([4, 3, 2, 1]);
  expect(ask({ failed: true })).toEqual([3]);
  expect(ask({ text: 'START W' })).toEqual([2]);
  expect(ask({ text: 'lab:1' })).toEqual([1]);
  expect(refused(list[3])).toBe(false);
});

test('what sharing saved is the sum over the starts', () => {
  const mount = (shared: number, own: number) => ({ container: 'c', layers: [], shared, new: own, with: [] });
  const list = [call(2, { mounts: [mount(70, 0)] }), call(1, { mounts: [mount(0, 70)] }), call(0)];
  expect(saved(list)).toEqual({ starts: 2, mounted: 140, shared: 70 });
});

test('steps become results of a trace', () => {
  const step = {
    code: 'x',
    args: {},
    where: 'host',
    call: '',
    words: '',
    start: 5,
    took: 2,
    calls: 1,
    ok: false,
    errno: 'EPERM',
  };
  expect(resultsOf([step, { ...step, ok: true, errno: '' }])).toEqual([
    { step: 0, code: 'x', start: 5, took: 2, calls: 1, ok: false, errno: 'EPERM' },
    { step: 1, code: 'x', start: 5, took: 2, calls: 1, ok: true },
  ]);
});
