import type { RunFields } from './runline.ts';
import type { LogLimits } from './wire.ts';

const texts = {
  labels: 'labels',
  'labels-regex': 'labelsRegex',
  env: 'env',
  'env-regex': 'envRegex',
  tag: 'tag',
} as const;

/** What --log-driver and --log-opt mean, or which of them mean nothing here. */
export function logOf(
  driver: string,
  options: readonly string[],
): { limits: LogLimits } | { bad: { field: keyof RunFields; value: string }[] } {
  const bad: { field: keyof RunFields; value: string }[] = [];
  const limits: LogLimits = {};
  if (driver && !['json-file', 'local', 'none'].includes(driver))
    bad.push({ field: 'logDriver', value: driver });
  else if (driver && driver !== 'json-file') limits.driver = driver;
  for (const option of options) {
    const at = option.indexOf('=');
    const [name, value] = [option.slice(0, at), option.slice(at + 1)];
    const size = name === 'max-size' ? decimalOf(value) : null;
    if (size !== null) limits.maxSize = size;
    else if (name === 'max-file' && /^[1-9]\d{0,5}$/.test(value)) limits.maxFile = Number(value);
    else if (name in texts && value) limits[texts[name as keyof typeof texts]] = value;
    else bad.push({ field: 'logOpts', value: option });
  }
  return bad.length > 0 ? { bad } : { limits };
}

/** "10m" in bytes; the units of a log's size are powers of 1000. */
function decimalOf(text: string): number | null {
  const m = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text);
  const bytes = m ? Math.floor(Number(m[1]) * 1000 ** ' kmgt'.indexOf(m[2].toLowerCase() || ' ')) : 0;
  return bytes > 0 ? bytes : null;
}
