// What the server tells of a launch: the types of runtime/plan as JSON; a test
// holds their fields against the Go source.

export interface PlanStep {
  code: string;
  args?: Record<string, string>;
  where: 'host' | 'join' | 'parent' | 'child';
  call: string;
  words: string;
  reason: string;
  man: string;
  without: string;
}

export interface Plan {
  clone: string;
  steps: PlanStep[] | null;
}

export interface StepResult {
  /** Index in the plan's steps. */
  step: number;
  code: string;
  /** Nanoseconds since the launch began, and what the step took. */
  start: number;
  took: number;
  /** System calls made. */
  calls: number;
  ok: boolean;
  errno?: string;
}

/** Steps that one process makes one after the other. */
export interface Stretch {
  where: PlanStep['where'];
  steps: { at: number; step: PlanStep }[];
}

export function stretches(plan: Plan): Stretch[] {
  const out: Stretch[] = [];
  for (const [at, step] of (plan.steps ?? []).entries()) {
    const last = out.at(-1);
    if (last?.where === step.where) last.steps.push({ at, step });
    else out.push({ where: step.where, steps: [{ at, step }] });
  }
  return out;
}

// Steps that wait for somebody else; how long they take says nothing about the kernel.
const waits = new Set(['wait-for-parent', 'wait-for-hooks', 'wait-for-start']);

export interface TraceRow {
  result: StepResult;
  waits: boolean;
  /** Where its bar begins and how long it is, as parts of the whole launch. */
  from: number;
  length: number;
}

export interface TraceSum {
  rows: TraceRow[];
  /** Nanoseconds from the first to the last step, without waiting for the start; and what the steps took in sum. */
  launch: number;
  work: number;
  calls: number;
  failed: number;
}

/** Puts the results on one scale. The wait between create and start is the caller's time, so it is cut out. */
export function traceOf(results: readonly StepResult[]): TraceSum {
  const sorted = results.toSorted((a, b) => a.start - b.start);
  const pause = sorted.find((r) => r.code === 'wait-for-start');
  const resumed = pause ? pause.start + pause.took : 0;
  const at = (t: number) => (!pause || t <= pause.start ? t : pause.start + Math.max(0, t - resumed));
  const begin = sorted[0]?.start ?? 0;
  const launch = Math.max(1, ...sorted.map((r) => at(r.start + r.took))) - begin;
  return {
    rows: sorted.map((r) => ({
      result: r,
      waits: waits.has(r.code),
      from: (at(r.start) - begin) / launch,
      length: (at(r.start + r.took) - at(r.start)) / launch,
    })),
    launch,
    work: sorted.reduce((n, r) => n + (waits.has(r.code) ? 0 : r.took), 0),
    calls: sorted.reduce((n, r) => n + r.calls, 0),
    failed: sorted.filter((r) => !r.ok).length,
  };
}

/** Nanoseconds with three digits: 850 ns, 12.3 µs, 4.06 ms. */
export function duration(ns: number): string {
  const units = ['ns', 'µs', 'ms', 's'];
  let value = ns;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[unit]}`;
}
