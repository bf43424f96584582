import type { Image, ImageLayer } from './wire.ts';

/** Layers that the same images have, one above the other, and what stands on them. */
export interface Stem {
  /** chainID of its topmost layer; "" for images without layers. */
  key: string;
  /** Number of its lowest layer, counted from the base. */
  from: number;
  layers: ImageLayer[];
  /** Bytes of its layers: kept once, whatever stands on them. */
  bytes: number;
  /** Images that end here, and how many contain the stem. */
  images: Image[];
  users: number;
  children: Stem[];
}

export interface ImageTree {
  roots: Stem[];
  /** Bytes of all images counted one by one, and of each layer once. */
  apart: number;
  stored: number;
}

interface Node {
  layer: ImageLayer | null;
  images: Image[];
  users: number;
  children: Map<string, Node>;
}

const leaf = (layer: ImageLayer | null): Node => ({ layer, images: [], users: 0, children: new Map() });

/** The images as a forest: equal chainIDs are one trunk. Larger trunks come first. */
export function imageTree(images: readonly Image[]): ImageTree {
  const root = leaf(null);
  let apart = 0;
  for (const image of images) {
    let at = root;
    for (const layer of image.layers) {
      let next = at.children.get(layer.chainID);
      if (!next) {
        next = leaf(layer);
        at.children.set(layer.chainID, next);
      }
      next.users++;
      at = next;
      apart += layer.size;
    }
    at.images.push(image);
  }
  const roots = [...root.children.values()].map((n) => stem(n, 0));
  if (root.images.length > 0) {
    const n = root.images.length;
    roots.push({ key: '', from: 0, layers: [], bytes: 0, images: root.images, users: n, children: [] });
  }
  roots.sort(byUsers);
  return { roots, apart, stored: roots.reduce((n, r) => n + under(r), 0) };
}

/** Runs of layers that no image ends in and nothing branches off from are one stem. */
function stem(first: Node, from: number): Stem {
  const layers: ImageLayer[] = [];
  let at = first;
  for (;;) {
    if (at.layer) layers.push(at.layer);
    const only = at.children.size === 1 ? [...at.children.values()][0] : null;
    if (!only || at.images.length > 0) break;
    at = only;
  }
  return {
    key: at.layer?.chainID ?? '',
    from,
    layers,
    bytes: layers.reduce((n, l) => n + l.size, 0),
    images: at.images,
    users: first.users,
    children: [...at.children.values()].map((n) => stem(n, from + layers.length)).sort(byUsers),
  };
}

const byUsers = (a: Stem, b: Stem) => b.users - a.users || b.bytes - a.bytes || (a.key < b.key ? -1 : 1);
const under = (s: Stem): number => s.bytes + s.children.reduce((n, c) => n + under(c), 0);
