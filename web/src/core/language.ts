/** What a file is, by its name and its first bytes: a language to colour it by, a picture, or neither. */
const byEnding: Record<string, string> = {
  sh: 'bash',
  bash: 'bash',
  profile: 'bash',
  c: 'c',
  h: 'c',
  css: 'css',
  go: 'go',
  ini: 'ini',
  conf: 'ini',
  cfg: 'ini',
  cnf: 'ini',
  toml: 'ini',
  service: 'ini',
  repo: 'ini',
  js: 'javascript',
  mjs: 'javascript',
  ts: 'javascript',
  json: 'json',
  mk: 'makefile',
  md: 'markdown',
  pl: 'perl',
  pm: 'perl',
  py: 'python',
  xml: 'xml',
  html: 'xml',
  svg: 'xml',
  yaml: 'yaml',
  yml: 'yaml',
};

const byName: Record<string, string> = {
  Dockerfile: 'dockerfile',
  Makefile: 'makefile',
  'nginx.conf': 'nginx',
  'os-release': 'bash',
  profile: 'bash',
};

/** The language of a text file, or null where it has none that is known. */
export function languageOf(name: string, text: string): string | null {
  const known =
    byName[name] ?? byEnding[name.includes('.') ? (name.split('.').at(-1) ?? '').toLowerCase() : ''];
  if (known) return known;
  const first = /^#!.*?\b(sh|bash|ash|dash|zsh|python\d?|perl|node)\b/.exec(text.slice(0, 200))?.[1];
  if (!first) return null;
  if (first.startsWith('python')) return 'python';
  return first === 'perl' ? 'perl' : first === 'node' ? 'javascript' : 'bash';
}

const pictures: readonly [string, readonly number[]][] = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46]],
  ['image/bmp', [0x42, 0x4d]],
];

/** The media type of a picture that a browser shows, by its first bytes; null for anything else. */
export function pictureOf(bytes: Uint8Array): string | null {
  const found = pictures.find(([, magic]) => magic.every((b, i) => bytes[i] === b))?.[0] ?? null;
  if (found === 'image/webp' && String.fromCharCode(...bytes.subarray(8, 12)) !== 'WEBP') return null;
  return found;
}
