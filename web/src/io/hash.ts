/** Whether this page may compute digests: browsers allow it on localhost and https only. */
export const canHash = globalThis.crypto?.subtle !== undefined;

/** The digest of bytes, or of a text's UTF-8 bytes. */
export async function sha256(of: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const sum = await crypto.subtle.digest(
    'SHA-256',
    typeof of === 'string' ? new TextEncoder().encode(of) : of,
  );
  return `sha256:${[...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}
