import { createHash } from 'node:crypto';
import { type Entry, tar } from './archives.ts';

// An image such as many have, the same bytes on every machine: what pictures
// are taken of.
const text = (n: number, of: string) => Buffer.alloc(n, of);
const layers: { command: string; empty?: boolean; entries?: Entry[] }[] = [
  {
    command: '/bin/sh -c #(nop) ADD file:5d7781 in / ',
    entries: [
      { name: 'bin/' },
      { name: 'bin/busybox', content: text(812_000, 'b'), mode: 0o755 },
      { name: 'bin/su', content: text(64_000, 's'), mode: 0o4755 },
      { name: 'bin/sh', link: 'busybox' },
      { name: 'etc/' },
      { name: 'etc/os-release', content: 'ID=shop\n' },
      { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' },
      { name: 'usr/' },
      { name: 'usr/lib/' },
      { name: 'usr/lib/libc.so', content: text(1_420_000, 'l') },
    ],
  },
  { command: '/bin/sh -c #(nop)  CMD ["/bin/sh"]', empty: true },
  { command: 'ENV APP_HOME=/srv/app', empty: true },
  {
    command: 'RUN /bin/sh -c apk add --no-cache nodejs # buildkit',
    entries: [
      { name: 'usr/bin/' },
      { name: 'usr/bin/node', content: text(3_900_000, 'n'), mode: 0o755 },
      { name: 'var/' },
      { name: 'var/cache/' },
      { name: 'var/cache/apk.index', content: text(1_250_000, 'i') },
    ],
  },
  {
    command: 'COPY . /srv/app # buildkit',
    entries: [
      { name: 'srv/' },
      { name: 'srv/app/' },
      { name: 'srv/app/index.js', content: text(48_000, 'j') },
      { name: 'srv/app/node_modules.bin', content: text(2_300_000, 'm') },
      { name: 'srv/app/.env', content: 'TOKEN=forgotten\n' },
    ],
  },
  {
    command: 'RUN /bin/sh -c chown -R 1000 /srv/app && rm /srv/app/.env /var/cache/apk.index # buildkit',
    entries: [
      { name: 'srv/app/', uid: 1000 },
      { name: 'srv/app/index.js', content: text(48_000, 'j'), uid: 1000 },
      { name: 'srv/app/node_modules.bin', content: text(2_300_000, 'm'), uid: 1000 },
      { name: 'srv/app/.wh..env' },
      { name: 'var/cache/.wh.apk.index' },
    ],
  },
  { command: 'USER 1000', empty: true },
  { command: 'CMD ["node" "index.js"]', empty: true },
];

const sha256 = (b: Buffer | string) => createHash('sha256').update(b).digest('hex');

/** The image in docker save's form. */
export function shop(): Buffer {
  const tars = layers.flatMap((l) => (l.entries ? [tar(l.entries)] : []));
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '2026-10-01T12:00:00Z',
    config: { Env: ['APP_HOME=/srv/app'], Cmd: ['node', 'index.js'], User: '1000' },
    rootfs: { type: 'layers', diff_ids: tars.map((t) => `sha256:${sha256(t)}`) },
    history: layers.map((l) => ({
      created: '2026-10-01T12:00:00Z',
      created_by: l.command,
      ...(l.empty && { empty_layer: true }),
    })),
  });
  const name = `${sha256(config)}.json`;
  return tar([
    ...tars.map((content) => ({ name: `${sha256(content)}/layer.tar`, content })),
    { name, content: config },
    {
      name: 'manifest.json',
      content: JSON.stringify([
        { Config: name, RepoTags: ['shop:2'], Layers: tars.map((t) => `${sha256(t)}/layer.tar`) },
      ]),
    },
  ]);
}
