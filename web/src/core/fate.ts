import type { Container } from './wire.ts';

const signals: Record<number, string> = {
  1: 'HUP',
  2: 'INT',
  3: 'QUIT',
  4: 'ILL',
  6: 'ABRT',
  7: 'BUS',
  8: 'FPE',
  9: 'KILL',
  11: 'SEGV',
  13: 'PIPE',
  14: 'ALRM',
  15: 'TERM',
};

/** What is to be said of how a container fares; args are what the words need. */
export interface Fate {
  key:
    | 'oom'
    | 'well'
    | 'notStarted'
    | 'notExecutable'
    | 'notFound'
    | 'signal'
    | 'code'
    | 'restarts'
    | 'waits';
  args: { code: number; signal: string; n: number };
}

/** How its last run ended and how often it was started again, in the order in which it is told. */
export function fates(c: Container): Fate[] {
  const code = c.exitCode ?? 0;
  const args = { code, signal: `SIG${signals[code - 128] ?? code - 128}`, n: c.restartCount ?? 0 };
  const out: Fate[] = [];
  const ended = c.state === 'exited' || c.state === 'restarting';
  if (ended && c.oomKilled) out.push({ key: 'oom', args });
  if (ended && c.exitCode !== null && !(c.oomKilled && code === 137)) out.push({ key: endOf(c, code), args });
  if (args.n > 0) out.push({ key: 'restarts', args });
  if (c.state === 'restarting') out.push({ key: 'waits', args });
  return out;
}

function endOf(c: Container, code: number): Fate['key'] {
  if (code === 0) return 'well';
  if (c.error && code === 127) return 'notFound';
  if (c.error && code === 126) return 'notExecutable';
  if (c.error) return 'notStarted';
  return code > 128 && code <= 128 + 64 ? 'signal' : 'code';
}

/** Milliseconds that the last run took, null while there is none that ended. */
export function tookOf(c: Pick<Container, 'startedAt' | 'finishedAt'>): number | null {
  if (!c.startedAt || !c.finishedAt) return null;
  return Math.max(0, Date.parse(c.finishedAt) - Date.parse(c.startedAt));
}
