/** One field of a config or manifest, ready to be read. */
export interface Field {
  name: string;
  /** 1 for what stands inside another field. */
  depth: number;
  values: string[];
}

// Shown field by field instead of as one value.
const nested = new Set(['config']);

/** The fields of a document in its own order, or null where it is no JSON object. */
export function fieldsOf(raw: string, open: boolean): Field[] | null {
  let doc: unknown;
  try {
    doc = JSON.parse(raw);
  } catch {
    return null;
  }
  if (!isObject(doc)) return null;
  const out: Field[] = [];
  for (const [name, value] of Object.entries(doc)) {
    if (open && nested.has(name) && isObject(value)) {
      out.push({ name, depth: 0, values: [] });
      for (const [inner, v] of Object.entries(value))
        out.push({ name: inner, depth: 1, values: valuesOf(v) });
    } else if (name === 'rootfs' && isObject(value) && Array.isArray(value.diff_ids)) {
      out.push({ name, depth: 0, values: valuesOf(value.diff_ids) });
    } else out.push({ name, depth: 0, values: valuesOf(value) });
  }
  return out;
}

function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x);
}

/** A value as lines: an element of a list each, a pair of a map each, the key alone where the map is a set. */
export function valuesOf(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (Array.isArray(value)) return value.map((v) => (typeof v === 'string' ? v : historyLine(v)));
  if (isObject(value)) {
    return Object.entries(value).map(([k, v]) =>
      isObject(v) && Object.keys(v).length === 0
        ? k
        : `${k} = ${typeof v === 'string' ? v : JSON.stringify(v)}`,
    );
  }
  return [JSON.stringify(value)];
}

/** An entry of the history by what made it; other objects as JSON. */
function historyLine(v: unknown): string {
  if (!isObject(v) || typeof v.created_by !== 'string') return JSON.stringify(v);
  return `${v.created_by}${v.empty_layer === true ? ' (empty_layer)' : ''}`;
}
