import type { Facts } from './wire.ts';

/** What a container used at one moment, by the counters of its control group. */
export interface Sample {
  /** Milliseconds, of whatever clock. */
  at: number;
  /** Bytes of memory; null where the host has no such counter. */
  memory: number | null;
  /** Nanoseconds of processor time so far. */
  worked: number | null;
  /** Processes. */
  processes: number;
}

/** How many samples a chart shows. */
export const kept = 60;

export function sampleOf(f: Facts, at: number): Sample {
  const read = (name: string) => f.cgroupValues.find((v) => v.name === name)?.value;
  const whole = (text: string | undefined) => (text && /^\d+$/.test(text) ? Number(text) : null);
  const usec = /^usage_usec (\d+)$/.exec(read('cpu.stat') ?? '')?.[1];
  return {
    at,
    memory: whole(read('memory.current')) ?? whole(read('memory.usage_in_bytes')),
    worked: whole(read('cpuacct.usage')) ?? (usec ? Number(usec) * 1000 : null),
    processes: f.processCount,
  };
}

/** The list with one more sample, the oldest left out where there are too many. */
export function take(list: readonly Sample[], one: Sample): Sample[] {
  return [...list, one].slice(-kept);
}

/** Processors that were busy between each two samples; one value less than there are samples. */
export function busy(list: readonly Sample[]): number[] {
  return list.slice(1).map((s, i) => {
    const before = list[i];
    if (s.worked === null || before.worked === null || s.at <= before.at) return 0;
    return Math.max(0, (s.worked - before.worked) / 1e6 / (s.at - before.at));
  });
}

/** The points of a line over values in a box of `width` × `height`; the newest lies at the right edge. */
export function line(values: readonly number[], most: number, width: number, height: number): string {
  const step = width / (kept - 1);
  return values
    .map((v, i) => {
      const x = width - (values.length - 1 - i) * step;
      return `${x.toFixed(1)},${(height - (most > 0 ? Math.min(1, v / most) : 0) * height).toFixed(1)}`;
    })
    .join(' ');
}
