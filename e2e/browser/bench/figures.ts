import type { CDPSession, Page } from '@playwright/test';

/** Prints one figure beside what it should be at most. */
export function figure(what: string, value: number, unit: string, most: number | null): void {
  const shown = value >= 100 ? value.toFixed(0) : value.toFixed(1);
  const goal = most === null ? '' : `  (at most ${most} ${unit}${value <= most ? '' : ': missed'})`;
  console.log(`${what.padEnd(62)} ${shown.padStart(9)} ${unit}${goal}`);
}

/** The value below which `part` of all lie. */
export function quantile(all: readonly number[], part: number): number {
  const sorted = all.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

interface TraceEvent {
  name: string;
  ph: string;
  tid: number;
  pid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args: { name?: string };
}

/** What a task of the main thread, or all of a frame, took, in milliseconds: by the clock, and of processor time. */
export interface Work {
  clock: number;
  processor: number;
}

/**
 * What the main thread of the page did meanwhile, frame by frame. A frame is
 * what runs from one of the page's marks of the name "frame" to the next, from
 * the task on in which the mark was set: time by itself parts no frames, since
 * one that comes late would be counted with the next.
 */
export async function mainThread(cdp: CDPSession, work: () => Promise<void>): Promise<Work[]> {
  const events: TraceEvent[] = [];
  const collect = (e: { value: object[] }) => events.push(...(e.value as TraceEvent[]));
  cdp.on('Tracing.dataCollected', collect);
  await cdp.send('Tracing.start', {
    traceConfig: { includedCategories: ['toplevel', 'blink.user_timing', '__metadata'] },
    transferMode: 'ReportEvents',
  });
  await work();
  const done = new Promise((ok) => cdp.once('Tracing.tracingComplete', ok));
  await cdp.send('Tracing.end');
  await done;
  cdp.off('Tracing.dataCollected', collect);
  const thread = (e: TraceEvent) => `${e.pid} ${e.tid}`;
  const marks = events.filter((e) => e.name === 'frame').toSorted((a, b) => a.ts - b.ts);
  const tasks = events
    .filter((e) => e.ph === 'X' && e.name.endsWith('RunTask') && thread(e) === thread(marks[0]))
    .toSorted((a, b) => a.ts - b.ts);
  const frames: Work[] = [];
  let next = 0;
  for (const t of tasks) {
    const end = t.ts + (t.dur ?? 0);
    if (next < marks.length && marks[next].ts <= end) {
      frames.push({ clock: 0, processor: 0 });
      while (next < marks.length && marks[next].ts <= end) next++;
    }
    const frame = frames.at(-1);
    if (!frame) continue;
    frame.clock += (t.dur ?? 0) / 1000;
    frame.processor += (t.tdur ?? t.dur ?? 0) / 1000;
  }
  return frames;
}

/** What the page holds: objects of the script and the memory of typed arrays, in bytes. */
export async function heap(page: Page): Promise<number> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('HeapProfiler.enable');
  await cdp.send('HeapProfiler.collectGarbage');
  const usage = (await cdp.send('Runtime.getHeapUsage')) as { usedSize: number; backingStorageSize?: number };
  await cdp.detach();
  return usage.usedSize + (usage.backingStorageSize ?? 0);
}
