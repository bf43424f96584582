import type { Prepared } from '../core/prepare.ts';
import type { Report } from '../core/wire.ts';
import { api } from './api.ts';
import { decode } from './decode.ts';

/** Where an image is looked at: in a file on this computer or in the store. Both give the same. */
export interface Source {
  readonly report: Report;
  index(image: number): Promise<Prepared>;
  /** Bytes of a layer's tar. */
  content(image: number, layer: number, offset: number, size: number): Promise<Uint8Array>;
}

/** An image of the server's store. */
export async function storedSource(id: string): Promise<Source> {
  const report = await api.report(id);
  let index: Promise<Prepared> | null = null;
  return {
    report,
    index() {
      index ??= api.index(id).then(decode);
      return index;
    },
    content: (_image, layer, offset, size) => api.content(id, layer, offset, size),
  };
}
