import type { Prepared } from '../core/prepare.ts';
import type { Lens } from '../core/route.ts';
import type { Report } from '../core/wire.ts';
import { api } from './api.ts';
import { decode } from './decode.ts';

/** Where an image is looked at: in a file on this computer or in the store. Both give the same. */
export interface Source {
  readonly report: Report;
  /** The tree of an image through a lens; a lens may refuse an image as its engine does. */
  index(image: number, lens: Lens): Promise<Prepared>;
  /** Bytes of a layer's tar. */
  content(image: number, layer: number, offset: number, size: number): Promise<Uint8Array>;
}

/** An image of the server's store. */
export async function storedSource(id: string): Promise<Source> {
  const report = await api.report(id);
  const indexes = new Map<Lens, Promise<Prepared>>();
  return {
    report,
    index(_image, lens) {
      const known = indexes.get(lens) ?? api.index(id, lens).then(decode);
      indexes.set(lens, known);
      return known;
    },
    content: (_image, layer, offset, size) => api.content(id, layer, offset, size),
  };
}
