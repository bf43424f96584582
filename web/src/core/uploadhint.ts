// What to do about an archive that was not stored.

/** The flag of the server that lifts a limit, by the code of the error that names it. */
const flags: Record<string, string> = {
  'archive-too-large': '--limit-archive SIZE',
  'layer-too-large': '--limit-layer SIZE',
  'too-many-layers': '--limit-layers N',
  ratio: '--limit-ratio N',
};
const damaged =
  /^(truncated|missing-file|absent-layer|layer-count|(digest|size)-mismatch|content-short|bad-(header|json|config|index|sparse|gzip|zstd|xz|bzip2))$/;
const otherForm = /^(not-an-archive|no-image|unsupported-format)$/;

/** A message, hint.NAME, and what is put into it. Codes of which nothing general can be said have none, or one by their own name. */
export function uploadHint(code: string): { name: string; args: { flag: string } } {
  const flag = flags[code] ?? '';
  const name = flag ? 'limit' : damaged.test(code) ? 'damaged' : otherForm.test(code) ? 'form' : code;
  return { name, args: { flag } };
}
