import { decodeIndex, type ImageIndex } from './index.ts';
import { type LayerFacts, layerFacts } from './layers.ts';
import { type Waste, wasteOf } from './waste.ts';

/** An image's index with what is worked out of it once, so that the page's own thread need not. */
export interface Prepared {
  index: ImageIndex;
  facts: LayerFacts[];
  waste: Waste;
}

/** Half a second's work for half a million nodes: to be done in a worker. */
export function prepare(bytes: Uint8Array): Prepared {
  const index = decodeIndex(bytes);
  const waste = wasteOf(index);
  const facts = layerFacts(index).map((f, i) => ({
    ...f,
    hidden: waste.layers[i].files,
    hiddenBytes: waste.layers[i].wasted,
  }));
  return { index, facts, waste };
}

/** The memory that goes over to another thread with it, instead of being copied. */
export function buffersOf(p: Prepared): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  for (const part of [p.index, p.index.versions, p.waste]) {
    for (const value of Object.values(part) as unknown[]) {
      if (ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer) found.add(value.buffer);
    }
  }
  return [...found];
}
