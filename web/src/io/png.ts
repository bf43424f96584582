/** How many pixels a picture has for one of the page's, and how many on a side at most. */
const sharp = 2;
const most = 16_000;

/** Draws an SVG as a PNG. */
export async function png(svg: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  // A data: address, which the content security policy allows for images alone.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const scale = Math.min(sharp, most / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be drawn'))),
      'image/png',
    );
  });
}
