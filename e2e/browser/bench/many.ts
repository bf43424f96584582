import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { tar } from '../archives.ts';

const block = 512;
/** The archive's own records count towards the limit of 500,000, too: one for each layer, config and manifest. */
const own = 22;

/** A layer's tar with a folder of 499 files for each of `folders`. */
function layer(from: number, folders: number): Buffer {
  const out = Buffer.alloc((folders * 500 + 2) * block);
  const [dir] = [tar([{ name: 'd/' }]).subarray(0, block)];
  const file = tar([{ name: 'f', content: '' }]).subarray(0, block);
  let at = 0;
  const put = (header: Buffer, name: string) => {
    header.copy(out, at);
    out.fill(0, at, at + 100);
    out.write(name, at);
    out.fill(0x20, at + 148, at + 156);
    let sum = 0;
    for (let i = at; i < at + block; i++) sum += out[i];
    out.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
    at += block;
  };
  for (let d = from; d < from + folders; d++) {
    put(dir, `srv/d${d}/`);
    const files = d === 999 ? 499 - own : 499;
    for (let f = 0; f < files; f++) put(file, `srv/d${d}/file-${f}.txt`);
  }
  return out.subarray(0, at + 2 * block);
}

/** Writes an archive of 500,000 entries in 20 layers in docker save's form. */
export function writeMany(path: string): void {
  const fd = openSync(path, 'w');
  const names: string[] = [];
  const add = (name: string, content: Buffer) => {
    writeSync(fd, tar([{ name, size: content.length }]).subarray(0, block));
    writeSync(fd, content);
    writeSync(fd, Buffer.alloc((block - (content.length % block)) % block));
  };
  for (let l = 0; l < 20; l++) {
    const content = layer(l * 50, 50);
    names.push(createHash('sha256').update(content).digest('hex'));
    add(`${names[l]}/layer.tar`, content);
  }
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: names.map((n) => `sha256:${n}`) },
      history: names.map((_, i) => ({ created_by: `COPY part-${i} /srv` })),
    }),
  );
  add('config.json', config);
  add(
    'manifest.json',
    Buffer.from(
      JSON.stringify([{ Config: 'config.json', RepoTags: ['many:1'], Layers: names.map((n) => `${n}/layer.tar`) }]),
    ),
  );
  writeSync(fd, Buffer.alloc(2 * block));
  closeSync(fd);
}
