import { asText } from './hex.ts';
import type { ArchiveFile, ReportImage } from './wire.ts';

/** Bytes from the first to the last: taken, or passed over. */
export interface Bytes {
  /** The next n bytes; fewer only at the end. */
  take(n: number): Promise<Uint8Array>;
  skip(n: number): Promise<void>;
}

const block = 512;
const padded = (n: number) => Math.ceil(n / block) * block;
const longest = 64 << 10;

function text(bytes: Uint8Array, at: number, n: number): string {
  const part = bytes.subarray(at, at + n);
  const end = part.indexOf(0);
  return new TextDecoder().decode(end < 0 ? part : part.subarray(0, end));
}

/** A number of a header: octal digits, or binary where the first bit is set (GNU tar). */
function whole(bytes: Uint8Array, at: number, n: number): number {
  if ((bytes[at] & 0x80) === 0) return Number.parseInt(text(bytes, at, n).trim() || '0', 8);
  let value = 0;
  for (let i = at + 1; i < at + n; i++) value = value * 256 + bytes[i];
  return value;
}

/** The path that a pax record names, if it names one (POSIX.1-2017, pax, "pax Header Block"). */
function paxPath(content: Uint8Array): string {
  return /\d+ path=([^\n]*)\n/.exec(new TextDecoder().decode(content))?.[1] ?? '';
}

/** What lies in an archive, and whether that is not all. */
export interface Outer {
  files: ArchiveFile[];
  more: boolean;
}

/** Documents are told with their text: small, and beginning like JSON or named as docker save names them. */
const largest = 256 << 10;
const named = /(^|\/)(VERSION|json|repositories|oci-layout|[^/]*\.json)$|^blobs\/\w+\/[^/]+$/;

/** The records of a tar, `most` of them at most. What is no tar has none. */
export async function outerFiles(bytes: Bytes, most: number): Promise<Outer> {
  const files: ArchiveFile[] = [];
  let name = '';
  for (;;) {
    const header = await bytes.take(block);
    if (header.length < block || header.every((b) => b === 0)) return { files, more: false };
    const size = whole(header, 124, 12);
    if (!Number.isSafeInteger(size) || size < 0 || text(header, 257, 5) !== 'ustar')
      return { files, more: false };
    const type = String.fromCharCode(header[156]);
    if ((type === 'x' || type === 'L') && size <= longest) {
      const content = await bytes.take(padded(size));
      name = type === 'x' ? paxPath(content.subarray(0, size)) || name : text(content, 0, size);
      continue;
    }
    if (files.length === most) return { files, more: true };
    // GNU's own form has times where POSIX has the prefix.
    const prefix = header[262] === 0 ? text(header, 345, 155) : '';
    const own = text(header, 0, 100);
    const links = type === '1' || type === '2';
    const file: ArchiveFile = {
      name: name || (prefix ? `${prefix}/${own}` : own),
      size: links ? 0 : size,
      kind: links ? 'link' : type === '5' ? 'folder' : 'file',
      target: links ? text(header, 157, 100) : '',
    };
    name = '';
    if (type !== 'g') files.push(file);
    if (file.kind === 'file' && file.size > 0 && file.size <= largest && named.test(file.name)) {
      const words = asText((await bytes.take(padded(file.size))).subarray(0, file.size));
      if (words !== null) file.text = words;
    } else await bytes.skip(padded(file.size));
  }
}

/** What a file of the archive is to an image. */
export type Role =
  | { kind: 'layer'; layer: number }
  | { kind: 'config' | 'manifest' | 'index' | 'names' | 'v1' | 'version' };

const blob = (digest: string | undefined) => digest?.replace(/^(\w+):/, 'blobs/$1/') ?? '';

/** Where a relative link of an archive leads. */
function followed(f: ArchiveFile): string {
  const parts = f.name.split('/').slice(0, -1);
  for (const part of f.target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** The roles of an archive's files by name, as far as one image knows them. */
export function rolesOf(image: ReportImage, files: readonly ArchiveFile[]): Map<string, Role> {
  const roles = new Map<string, Role>([
    ['repositories', { kind: 'names' }],
    ['manifest.json', { kind: 'names' }],
    ['index.json', { kind: 'index' }],
    ['oci-layout', { kind: 'version' }],
  ]);
  image.v1?.forEach((v, layer) => {
    roles.set(`${v.id}/layer.tar`, { kind: 'layer', layer });
    roles.set(`${v.id}/json`, { kind: 'v1' });
    roles.set(`${v.id}/VERSION`, { kind: 'version' });
  });
  image.layers.forEach((l) => {
    roles.set(blob(l.digest), { kind: 'layer', layer: l.index });
  });
  roles.set(blob(image.config.digest ?? image.id), { kind: 'config' });
  roles.set(blob(image.manifest.digest), { kind: 'manifest' });
  // docker save before 25 names files in manifest.json, whose element the manifest is.
  try {
    const saved = JSON.parse(image.manifest.raw ?? '') as { Config?: unknown; Layers?: unknown };
    if (typeof saved.Config === 'string') roles.set(saved.Config, { kind: 'config' });
    if (Array.isArray(saved.Layers)) {
      saved.Layers.forEach((name, layer) => {
        if (typeof name === 'string') roles.set(name, { kind: 'layer', layer });
      });
    }
  } catch {
    // A manifest that cannot be read names nothing; the view shows its bytes.
  }
  // Docker 1.x's folders in newer archives: their layer.tar is a link to a blob.
  for (const f of files) {
    const role = f.kind === 'link' ? roles.get(followed(f)) : undefined;
    if (role?.kind !== 'layer') continue;
    roles.set(f.name, role);
    const [id, tar] = f.name.split('/');
    if (tar !== 'layer.tar') continue;
    roles.set(`${id}/json`, { kind: 'v1' });
    roles.set(`${id}/VERSION`, { kind: 'version' });
  }
  roles.delete('');
  return roles;
}
