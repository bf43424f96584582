/** What a value of a control group stands for, where the bare number does not say it. */
export type Meaning = { of: 'none' } | { of: 'bytes'; bytes: number } | { of: 'time'; milliseconds: number };

// cgroup v1 has no word for "no limit": the largest number of whole pages stands for it.
const endless = 2 ** 62;

/** Reads a control file's first line: bytes of memory, times, and what means "no limit" in v1 and v2; null for a plain number. */
export function meaningOf(name: string, value: string): Meaning | null {
  const first = value.split(' ')[0];
  if (first === 'max' || (name === 'cpu.cfs_quota_us' && first === '-1')) return { of: 'none' };
  if (!/^\d+$/.test(value)) return null;
  const n = Number(value);
  if (name.startsWith('memory.')) return n >= endless ? { of: 'none' } : { of: 'bytes', bytes: n };
  if (name.endsWith('_us')) return { of: 'time', milliseconds: n / 1e3 };
  if (name === 'cpuacct.usage') return { of: 'time', milliseconds: n / 1e6 };
  return null;
}
