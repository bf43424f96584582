import { nodePath } from '../core/index.ts';
import type { Outer } from '../core/outer.ts';
import type { Prepared } from '../core/prepare.ts';
import type { Lens } from '../core/route.ts';
import type { Account, Binary, Report } from '../core/wire.ts';
import { api, download } from './api.ts';
import { decode } from './decode.ts';

/** Where an image is looked at: in a file on this computer, in the store, or as a container. All give the same. */
export interface Source {
  readonly report: Report;
  /** The archive itself, where it lies on this computer. */
  readonly file?: File;
  /** The tree of an image through a lens; a lens may refuse an image as its engine does. */
  index(image: number, lens: Lens): Promise<Prepared>;
  /** Bytes of a layer's tar. */
  content(image: number, layer: number, offset: number, size: number): Promise<Uint8Array>;
  /** What lies in the archive that it is, or that docker save makes of it; null where this browser cannot unpack it. Absent where there is no archive. */
  files?(): Promise<Outer | null>;
  /** Takes an image's merged tree away as one tar. */
  flatten?(image: number, name: string): Promise<void>;
  /** What an image wastes; absent where nobody has counted. `contents` reads and compares files of equal size. */
  account?(image: number, contents: boolean): Promise<Account>;
  /** What an ELF file is in the tree after a layer, and where that tree has its libraries; absent where only the index is known. */
  elf?(image: number, layer: number, path: string): Promise<Binary>;
}

/** Asks for a tree where it has not been asked for before; what could not be had is asked for again. */
function once(
  indexes: Map<Lens, Promise<Prepared>>,
  lens: Lens,
  ask: () => Promise<Prepared>,
): Promise<Prepared> {
  const known = indexes.get(lens);
  if (known) return known;
  const asked = ask();
  indexes.set(lens, asked);
  asked.catch(() => indexes.delete(lens));
  return asked;
}

/** An image of the server's store. */
export async function storedSource(id: string): Promise<Source> {
  const report = await api.report(id);
  const indexes = new Map<Lens, Promise<Prepared>>();
  return {
    report,
    index: (_image, lens) => once(indexes, lens, () => api.index(id, lens).then(decode)),
    content: (_image, layer, offset, size) => api.content(id, layer, offset, size),
    account: (_image, contents) => api.account(id, contents),
    elf: (_image, layer, path) => api.elf(id, layer, path),
    files: async () => ({ files: (await api.files(id)).files, more: false }),
    flatten: (_image, name) => download(`/images/${encodeURIComponent(id)}/flatten`, name),
  };
}

/** A container as it is now: its image's layers, and its own on top. Its index is asked for anew by making another source. */
export async function containerSource(id: string): Promise<Source> {
  const now = await decode(await api.containerIndex(id, 'spec'));
  const { image } = now.index.head;
  const own = image.layers.length - 1;
  const indexes = new Map<Lens, Promise<Prepared>>([['spec', Promise.resolve(now)]]);
  return {
    report: {
      source: { format: 'container', compression: 'none', size: 0 },
      images: [image],
      warnings: now.index.head.warnings ?? [],
    },
    index: (_image, lens) => once(indexes, lens, () => api.containerIndex(id, lens).then(decode)),
    content(_image, layer, offset, size) {
      if (layer < own) return api.content(image.id, layer, offset, size);
      const path = pathAt(now, layer, offset);
      return path === null
        ? Promise.reject(new RangeError(`no file begins at byte ${offset} of the container's layer`))
        : api.containerContent(id, path.path, offset - path.data, size);
    },
  };
}

/** The file of a layer whose content holds a byte. A layer that is still written to has no tar to read from. */
function pathAt({ index }: Prepared, layer: number, offset: number): { path: string; data: number } | null {
  const { first, nodes, versions: v } = index;
  for (let i = 0; i < nodes; i++) {
    for (let k = first[i]; k < first[i + 1]; k++) {
      if (
        v.home[k] === layer &&
        v.data[k] > 0 &&
        v.data[k] <= offset &&
        offset < v.data[k] + Math.max(1, v.size[k])
      )
        return { path: nodePath(index, i), data: v.data[k] };
    }
  }
  return null;
}
