import type { Happening } from '../microscope.ts';
import type { Cast } from './parse.ts';

/** What happened in the container's layer at one moment of a recording. */
export interface Moment {
  /** Seconds from the beginning. */
  at: number;
  happenings: Happening[];
  /** How much more happened than is named, and its bytes. */
  more: number;
  moreBytes: number;
}

const kinds: readonly Happening['kind'][] = ['copy-up', 'new', 'grew', 'whiteout', 'opaque', 'undone'];
const line = /^([+-]\d{1,16}) ([a-z-]{2,12}) ([^\t]*)(?:\t(.{0,64}) (\d{1,10}))?$/;

/** Reads a marker that tells of the layer (server/recording says how); null for any other. */
export function parseMarker(at: number, label: string): Moment | null {
  const [first, ...rest] = label.split('\n');
  if (first !== 'layer') return null;
  const moment: Moment = { at, happenings: [], more: 0, moreBytes: 0 };
  for (const text of rest) {
    const m = line.exec(text);
    if (!m) return null;
    const bytes = Number(m[1]);
    if (m[2] === 'more') {
      moment.more = Number.parseInt(m[3], 10) || 0;
      moment.moreBytes = bytes;
      continue;
    }
    const kind = kinds.find((k) => k === m[2]);
    if (!kind) return null;
    const by = m[4] === undefined ? null : { host: 0, inside: Number(m[5]), name: m[4] };
    moment.happenings.push({ kind, path: m[3].replace(/^\//, ''), bytes, ...(by && { by }) });
  }
  return moment;
}

/** The moments at which something happened in the layer, in order. */
export function momentsOf(cast: Cast): Moment[] {
  return cast.events.flatMap((e) => {
    const moment = e.code === 'm' ? parseMarker(e.at, e.data) : null;
    return moment ? [moment] : [];
  });
}

/** Bytes in the layer after some moments. */
export function bytesOf(moments: readonly Moment[]): number {
  return moments.reduce((sum, m) => sum + m.moreBytes + m.happenings.reduce((n, h) => n + h.bytes, 0), 0);
}
