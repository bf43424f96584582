/** A recording of a terminal, asciicast v2: https://docs.asciinema.org/manual/asciicast/v2/. */
export interface Cast {
  cols: number;
  rows: number;
  title: string;
  /** When it began, in Unix seconds; null where it does not say. */
  began: number | null;
  events: CastEvent[];
  /** How long it lasts. */
  seconds: number;
}

/** Output, a new size (as "80x24") or a marker, at a time in seconds. */
export interface CastEvent {
  at: number;
  code: 'o' | 'r' | 'm';
  data: string;
}

/** What is taken of a file at most: it may come from anybody. */
export interface CastLimits {
  bytes: number;
  events: number;
  /** Columns and rows. */
  side: number;
  /** Seconds. */
  time: number;
}

export const castLimits: CastLimits = { bytes: 64 << 20, events: 1_000_000, side: 1000, time: 7 * 86_400 };

/** Why a file is not played, by a code of the page's words, with the line. */
export class CastProblem extends Error {
  readonly code: string;
  readonly args: Record<string, string>;

  constructor(code: string, line: number, message: string) {
    super(message);
    this.code = code;
    this.args = { line: String(line) };
  }
}

const header = /^\s*\{[^\n]{0,4096}"version"\s*:\s*2\b/;

/** Whether a file that begins so is an asciicast v2. */
export function looksLikeCast(start: string): boolean {
  return header.test(start);
}

/** Reads a recording. A last line that is not whole is left out: it may be growing. */
export function parseCast(text: string, limits = castLimits): Cast {
  if (text.length > limits.bytes) throw new CastProblem('cast-too-large', 1, 'the recording is too large');
  let end = lineEnd(text, 0);
  const head = json(text.slice(0, end), 1);
  if (!isRecord(head) || head.version !== 2)
    throw new CastProblem('cast-version', 1, 'not the header of an asciicast v2');
  const cast: Cast = {
    cols: side(head.width, limits),
    rows: side(head.height, limits),
    title: typeof head.title === 'string' ? head.title.slice(0, 500) : '',
    began: typeof head.timestamp === 'number' && Number.isFinite(head.timestamp) ? head.timestamp : null,
    events: [],
    seconds: 0,
  };
  let line = 1;
  for (let start = end + 1; start < text.length; start = end + 1) {
    end = lineEnd(text, start);
    line++;
    const raw = text.slice(start, end);
    if (raw.trim() === '') continue;
    if (end === text.length && !/\]\s*$/.test(raw)) break;
    const e = event(json(raw, line), line, limits);
    cast.seconds = Math.max(cast.seconds, e.at);
    if (!isShown(e)) continue;
    if (cast.events.length >= limits.events)
      throw new CastProblem('cast-too-many', line, `more than ${limits.events} events`);
    // Times that go back would play what comes later first.
    cast.events.push({ ...e, at: cast.seconds });
  }
  return cast;
}

function lineEnd(text: string, start: number): number {
  const at = text.indexOf('\n', start);
  return at < 0 ? text.length : at;
}

function json(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CastProblem('cast-malformed', line, `line ${line} is not JSON`);
  }
}

const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);

/** A screen of another size than a screen can have would take memory without end. */
function side(value: unknown, limits: CastLimits): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > limits.side)
    throw new CastProblem(
      'cast-size',
      1,
      `the header gives no size of a terminal from 1 to ${limits.side} columns and rows`,
    );
  return value;
}

interface AnyEvent {
  at: number;
  code: string;
  data: string;
}

const isShown = (e: AnyEvent): e is CastEvent => e.code === 'o' || e.code === 'r' || e.code === 'm';

function event(value: unknown, line: number, limits: CastLimits): AnyEvent {
  if (Array.isArray(value) && value.length === 3) {
    const [at, code, data] = value as unknown[];
    const inTime = typeof at === 'number' && at >= 0 && at <= limits.time;
    if (
      inTime &&
      typeof code === 'string' &&
      typeof data === 'string' &&
      (code !== 'r' || sizeOf(data, limits))
    )
      return { at, code, data };
  }
  throw new CastProblem('cast-malformed', line, `line ${line} is no event: [seconds, code, text]`);
}

/** The columns and rows of an event "r"; null where they are none. */
export function sizeOf(data: string, limits = castLimits): { cols: number; rows: number } | null {
  const m = /^(\d{1,4})x(\d{1,4})$/.exec(data);
  if (!m) return null;
  const [cols, rows] = [Number(m[1]), Number(m[2])];
  return cols > 0 && rows > 0 && cols <= limits.side && rows <= limits.side ? { cols, rows } : null;
}
