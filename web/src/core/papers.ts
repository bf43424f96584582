/** One field of a config or manifest, ready to be read. */
export interface Field {
  name: string;
  /** 1 for what stands inside another field. */
  depth: number;
  values: string[];
}

// Shown field by field instead of as one value.
const nested = new Set(['config']);

/** The kinds of documents, whose fields have meanings of their own: config and v1 JSON, manifests, an index, names of v1. */
export type Paper = 'field' | 'mfield' | 'ifield' | 'names';

/** What kind of document a file of an archive is. */
export function paperOf(name: string, raw: string): Paper {
  const doc = parse(raw);
  if (Array.isArray(doc)) return 'mfield';
  if (!isObject(doc)) return 'field';
  if ('manifests' in doc || 'imageLayoutVersion' in doc) return 'ifield';
  if ('layers' in doc || 'Layers' in doc) return 'mfield';
  return /(^|\/)repositories$/.test(name) ? 'names' : 'field';
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}

/** The fields of a document in its own order, those of a list of objects one after the other; null where it is neither. */
export function fieldsOf(raw: string, open: boolean): Field[] | null {
  const doc = parse(raw);
  if (Array.isArray(doc) && doc.length > 0 && doc.every(isObject))
    return doc.flatMap((d) => ofObject(d, open));
  return isObject(doc) ? ofObject(doc, open) : null;
}

function ofObject(doc: Record<string, unknown>, open: boolean): Field[] {
  const out: Field[] = [];
  for (const [name, value] of Object.entries(doc)) {
    if (open && nested.has(name) && isObject(value)) {
      out.push({ name, depth: 0, values: [] });
      for (const [inner, v] of Object.entries(value))
        out.push({ name: inner, depth: 1, values: valuesOf(v) });
    } else if (name === 'manifests' && Array.isArray(value) && value.every(isObject)) {
      for (const [i, descriptor] of value.entries()) {
        out.push({ name: value.length > 1 ? `${name} ${i + 1}` : name, depth: 0, values: [] });
        for (const [inner, v] of Object.entries(descriptor))
          out.push({ name: inner, depth: 1, values: valuesOf(v) });
      }
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

/** An entry of the history by what made it, a descriptor by digest, size and type; other objects as JSON. */
function historyLine(v: unknown): string {
  if (
    isObject(v) &&
    typeof v.digest === 'string' &&
    typeof v.size === 'number' &&
    typeof v.mediaType === 'string'
  ) {
    const { digest, size, mediaType, ...more } = v;
    const rest = Object.keys(more).length > 0 ? ` ${JSON.stringify(more)}` : '';
    return `${digest} size = ${size} mediaType = ${mediaType}${rest}`;
  }
  if (!isObject(v) || typeof v.created_by !== 'string') return JSON.stringify(v);
  return `${v.created_by}${v.empty_layer === true ? ' (empty_layer)' : ''}`;
}
