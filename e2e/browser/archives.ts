import { createHash } from 'node:crypto';

/** A record of a tar; content or link, not both. */
export interface Entry {
  name: string;
  content?: string | Buffer;
  mode?: number;
  uid?: number;
  /** What the header claims, where that is not the content's length. */
  size?: number;
  link?: string;
  hard?: string;
}

function field(header: Buffer, at: number, length: number, value: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
}

/** Writes a ustar archive. */
export function tar(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  for (const e of entries) {
    const content = Buffer.from(e.content ?? '');
    const header = Buffer.alloc(512);
    header.write(e.name, 0, 100);
    field(header, 100, 8, e.mode ?? (e.name.endsWith('/') ? 0o755 : 0o644));
    field(header, 108, 8, e.uid ?? 0);
    field(header, 116, 8, 0);
    field(header, 124, 12, e.size ?? content.length);
    field(header, 136, 12, 1_600_000_000);
    header.write('        ', 148);
    header.write(e.name.endsWith('/') ? '5' : e.link ? '2' : e.hard ? '1' : '0', 156);
    header.write(e.link ?? e.hard ?? '', 157, 100);
    header.write('ustar\0' + '00', 257);
    field(
      header,
      148,
      7,
      header.reduce((n, b) => n + b, 0),
    );
    parts.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

const sha256 = (b: Buffer | string) => createHash('sha256').update(b).digest('hex');

export interface Made {
  layers: Entry[][];
  tag?: string;
  cmd?: string[];
  /** Claims this digest for the last layer instead of its own. */
  lie?: string;
}

/** Writes images in docker save's form. */
export function dockerSave(images: Made[]): Buffer {
  const files = new Map<string, Buffer>();
  const manifest = images.map((image) => {
    const tars = image.layers.map(tar);
    const diffs = tars.map((t, i) => `sha256:${image.lie && i === tars.length - 1 ? image.lie : sha256(t)}`);
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created: '2024-01-02T03:04:05Z',
      config: { Cmd: image.cmd ?? ['/bin/true'] },
      rootfs: { type: 'layers', diff_ids: diffs },
      history: tars.map((_, i) => ({ created: '2024-01-02T03:04:05Z', created_by: `RUN step-${i}` })),
    });
    const names = tars.map((t) => `${sha256(t)}/layer.tar`);
    tars.forEach((t, i) => {
      files.set(names[i], t);
    });
    files.set(`${sha256(config)}.json`, Buffer.from(config));
    return { Config: `${sha256(config)}.json`, RepoTags: image.tag ? [image.tag] : null, Layers: names };
  });
  files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
  return tar([...files].map(([name, content]) => ({ name, content })));
}

/** Something that setInputFiles takes. */
export function asFile(name: string, buffer: Buffer) {
  return { name, mimeType: 'application/x-tar', buffer };
}

/** The specification's example: one added, one changed, one deleted, then a folder replaced. */
export const example: Made = {
  tag: 'example:1',
  layers: [
    [
      { name: 'bin/' },
      { name: 'bin/my-app-binary', content: 'binary\n', mode: 0o755 },
      { name: 'bin/my-app-tools', content: 'tools\n', mode: 0o755 },
      { name: 'etc/' },
      { name: 'etc/my-app-config', content: 'old config\n' },
    ],
    [
      { name: 'etc/my-app.d/' },
      { name: 'etc/my-app.d/default.cfg', content: 'x=1\n' },
      { name: 'bin/my-app-tools', content: 'better tools\n', mode: 0o755 },
      { name: 'etc/.wh.my-app-config' },
    ],
    [
      { name: 'etc/my-app.d/' },
      { name: 'etc/my-app.d/.wh..wh..opq' },
      { name: 'etc/my-app.d/other.cfg', content: 'y=2\n' },
      { name: 'etc/my-app.d/same.cfg', hard: 'etc/my-app.d/other.cfg' },
    ],
  ],
};
