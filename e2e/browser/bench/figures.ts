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

/** What the main thread of the page did meanwhile, in microseconds: by the clock, and of processor time. */
export async function mainThread(
  cdp: CDPSession,
  work: () => Promise<void>,
): Promise<{ tasks: { at: number; clock: number; processor: number }[] }> {
  const events: TraceEvent[] = [];
  const collect = (e: { value: object[] }) => events.push(...(e.value as TraceEvent[]));
  cdp.on('Tracing.dataCollected', collect);
  await cdp.send('Tracing.start', {
    traceConfig: { includedCategories: ['toplevel', '__metadata'] },
    transferMode: 'ReportEvents',
  });
  await work();
  const done = new Promise((ok) => cdp.once('Tracing.tracingComplete', ok));
  await cdp.send('Tracing.end');
  await done;
  cdp.off('Tracing.dataCollected', collect);
  const mains = new Set(
    events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid} ${e.tid}`),
  );
  const tasks = events
    .filter((e) => e.ph === 'X' && /RunTask|ThreadControllerImpl::RunTask/.test(e.name) && mains.has(`${e.pid} ${e.tid}`))
    .map((e) => ({ at: e.ts, clock: e.dur ?? 0, processor: e.tdur ?? e.dur ?? 0 }));
  return { tasks };
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
