import { expect, test } from 'vitest';
import { meaningOf } from '../src/core/cgroup.ts';
import { busy, kept, line, type Sample, sampleOf, take } from '../src/core/samples.ts';
import type { Facts } from '../src/core/wire.ts';

const facts = (...values: [string, string][]) =>
  ({ cgroupValues: values.map(([name, value]) => ({ name, value })), processCount: 2 }) as unknown as Facts;

test('counters of both kinds of control groups, and of a host that has none', () => {
  expect(sampleOf(facts(['memory.usage_in_bytes', '4096'], ['cpuacct.usage', '7000']), 1)).toEqual({
    at: 1,
    memory: 4096,
    worked: 7000,
    processes: 2,
  });
  expect(sampleOf(facts(['memory.current', '5'], ['cpu.stat', 'usage_usec 9']), 2)).toMatchObject({
    memory: 5,
    worked: 9000,
  });
  expect(sampleOf(facts(['memory.max', 'max']), 3)).toMatchObject({ memory: null, worked: null });
});

const at = (ms: number, worked: number | null): Sample => ({ at: ms, memory: 1, worked, processes: 1 });

test('a processor that was busy all the time is one', () => {
  expect(busy([at(0, 0), at(2000, 2e9), at(4000, 3e9), at(6000, null), at(6000, 3e9)])).toEqual([
    1, 0.5, 0, 0,
  ]);
  expect(busy([at(0, 5)])).toEqual([]);
});

test('a chart holds the newest at its right edge', () => {
  let list: Sample[] = [];
  for (let i = 0; i < kept + 5; i++) list = take(list, at(i, i));
  expect(list.length).toBe(kept);
  expect(list.at(-1)?.at).toBe(kept + 4);
  expect(line([0, 5, 20], 10, 59, 10)).toBe('57.0,10.0 58.0,5.0 59.0,0.0');
  expect(line([1], 0, 59, 10)).toBe('59.0,10.0');
});

test.each([
  ['memory.limit_in_bytes', '9223372036854771712', { of: 'none' }],
  ['memory.max', 'max', { of: 'none' }],
  ['cpu.max', 'max 100000', { of: 'none' }],
  ['cpu.cfs_quota_us', '-1', { of: 'none' }],
  ['memory.current', '4096', { of: 'bytes', bytes: 4096 }],
  ['cpu.cfs_period_us', '100000', { of: 'time', milliseconds: 100 }],
  ['cpuacct.usage', '2000000', { of: 'time', milliseconds: 2 }],
  ['pids.current', '7', null],
  ['cpu.max', '50000 100000', null],
  ['cpu.stat', 'usage_usec 9', null],
])('%s of %s', (name, value, meaning) => expect(meaningOf(name, value)).toEqual(meaning));
