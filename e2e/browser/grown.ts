import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { tar } from './archives.ts';

// Two versions of an image in docker save's form, of which the second is 400 MB
// larger: a `chown -R` stores the whole application again, and a package
// manager's cache was forgotten. Contents are zeros, so that the file is sparse
// on disk and written in a moment.
export const application = 240_000_000;
export const cache = 160_000_000;
export const chown = 'RUN chown -R app:app /srv/app';
export const install = 'RUN apt-get update && apt-get install -y build-essential';

interface Big {
  name: string;
  size: number;
  uid?: number;
}
interface BigLayer {
  command: string;
  entries: Big[];
}

const block = 512;
const padded = (n: number) => Math.ceil(n / block) * block;
const zeros = Buffer.alloc(1 << 20);

/** A header that claims `size` bytes of content. */
const header = (e: Big) => tar([{ name: e.name, size: e.size, uid: e.uid ?? 0 }]).subarray(0, block);

function sizeOf(l: BigLayer): number {
  return l.entries.reduce((n, e) => n + block + padded(e.size), 2 * block);
}

function digest(l: BigLayer): string {
  const hash = createHash('sha256');
  for (const e of l.entries) {
    hash.update(header(e));
    for (let left = padded(e.size); left > 0; left -= zeros.length)
      hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
  }
  return hash.update(zeros.subarray(0, 2 * block)).digest('hex');
}

export function writeGrown(path: string): void {
  const files = Array.from({ length: 12 }, (_, i) => ({
    name: `srv/app/part-${String(i).padStart(2, '0')}.bin`,
    size: application / 12,
  }));
  const base: BigLayer = { command: 'ADD rootfs.tar /', entries: [{ name: 'etc/os-release', size: 300 }] };
  const app: BigLayer = { command: 'COPY app /srv/app', entries: files };
  const owned: BigLayer = { command: chown, entries: files.map((f) => ({ ...f, uid: 1000 })) };
  const installed: BigLayer = {
    command: install,
    entries: [
      { name: 'usr/bin/make', size: 1_000_000 },
      { name: 'var/cache/apt/pkgcache.bin', size: cache - 1_000_000 },
    ],
  };
  const fd = openSync(path, 'w');
  let at = 0;
  const add = (name: string, content: Buffer) => {
    const whole = tar([{ name, content }]);
    writeSync(fd, whole, 0, whole.length - 2 * block, at);
    at += whole.length - 2 * block;
  };
  const images = [
    { tag: 'shop:1', layers: [base, app] },
    { tag: 'shop:2', layers: [base, app, owned, installed] },
  ];
  const digests = new Map(images[1].layers.map((l) => [l, digest(l)]));
  for (const [l, d] of digests) {
    writeSync(fd, header({ name: `${d}/layer.tar`, size: sizeOf(l) }), 0, block, at);
    at += block;
    let inside = at;
    for (const e of l.entries) {
      writeSync(fd, header(e), 0, block, inside);
      inside += block + padded(e.size);
    }
    at += sizeOf(l);
  }
  const manifest = images.map(({ tag, layers }) => {
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((l) => `sha256:${digests.get(l)}`) },
      history: layers.map((l) => ({ created_by: l.command })),
    });
    const name = `${createHash('sha256').update(config).digest('hex')}.json`;
    add(name, Buffer.from(config));
    return { Config: name, RepoTags: [tag], Layers: layers.map((l) => `${digests.get(l)}/layer.tar`) };
  });
  add('manifest.json', Buffer.from(JSON.stringify(manifest)));
  ftruncateSync(fd, at + 2 * block);
  closeSync(fd);
}
