const piece = 4 << 20;

/** Gets a file piece by piece and hands it to the browser as a download. What is not read yet stays where it is. */
export async function saveFile(
  name: string,
  size: number,
  read: (at: number, n: number) => Promise<Uint8Array>,
): Promise<void> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < size; at += piece)
    parts.push(new Uint8Array(await read(at, Math.min(piece, size - at))));
  const url = URL.createObjectURL(new Blob(parts));
  const link = document.createElement('a');
  link.href = url;
  link.download = name || 'file';
  link.click();
  // The browser has taken it over by then.
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
