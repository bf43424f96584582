/** Milliseconds to wait before the attempt (1, 2, …) at reconnecting: 250 ms doubling to 8 s, with up to a fifth of jitter. `random` is in [0, 1). */
export function backoff(attempt: number, random: number): number {
  const base = Math.min(8000, 250 * 2 ** Math.max(0, attempt - 1));
  return Math.round(base * (0.9 + 0.2 * random));
}
