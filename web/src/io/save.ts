const piece = 4 << 20;

/** Gets a file piece by piece and hands it to the browser as a download. What is not read yet stays where it is. */
export async function saveFile(
  name: string,
  size: number,
  read: (at: number, n: number) => Promise<Uint8Array>,
): Promise<void> {
  // Blobs are kept by the browser, on disk where they are large.
  const parts: Blob[] = [];
  for (let at = 0; at < size; at += piece)
    parts.push(new Blob([new Uint8Array(await read(at, Math.min(piece, size - at)))]));
  saveBlob(name, new Blob(parts));
}

/** Hands bytes to the browser as a download. */
export function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name || 'file';
  link.click();
  // The browser has taken it over by then.
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
