import { type Cast, sizeOf } from './parse.ts';

/** What a screen has to do to come from one time of a recording to a later one. */
export type Stroke = { write: string } | { cols: number; rows: number };

/** How many of the things, sorted by time, have happened at a time. */
export function upTo(list: readonly { at: number }[], time: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].at <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The strokes of the events from one number up to another; output that follows on output is one stroke. */
export function strokes(cast: Cast, from: number, to: number): Stroke[] {
  const out: Stroke[] = [];
  let text: string[] = [];
  const flush = () => {
    if (text.length > 0) out.push({ write: text.join('') });
    text = [];
  };
  for (const e of cast.events.slice(from, to)) {
    if (e.code === 'o') text.push(e.data);
    else if (e.code === 'r') {
      const size = sizeOf(e.data);
      flush();
      if (size) out.push(size);
    }
  }
  flush();
  return out;
}

/** The time of the next moment after a time, or of the one before; null where there is none. */
export function neighbour(moments: readonly { at: number }[], time: number, forward: boolean): number | null {
  // Times are shown and dragged in hundredths.
  const near = 0.005;
  if (forward) return moments.find((m) => m.at > time + near)?.at ?? null;
  return moments.findLast((m) => m.at < time - near)?.at ?? null;
}

/** Minutes and seconds, with hours where there are any: 0:07, 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
