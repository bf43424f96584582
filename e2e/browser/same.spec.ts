import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dockerSave, example } from './archives.ts';
import { corpusFile, expect, test } from './fixtures.ts';

// The core in Chromium, with no more of the page than its module, makes the
// very bytes that the server made natively when it stored the image. (That the
// sandbox makes them too is a test of package sandbox.)

const archives: [string, () => Buffer | null][] = [
  ['a generated archive', () => dockerSave([{ ...example, tag: 'same:1' }])],
  ...[
    'docker-save/docker-18.09-dive-test-14-layers.tar',
    'docker-save/docker-18.06-alpine-3.10.tar.gz',
    'rootfs/busybox-stable-glibc-amd64.tar.xz',
  ].map((name): [string, () => Buffer | null] => [
    name,
    () => {
      const file = corpusFile(name);
      return file === null ? null : readFileSync(file);
    },
  ]),
];

/** Runs in the page: the indexes of an archive's images, by the module alone. */
async function survey(given: { wasm: string; archive: string }): Promise<string[]> {
  const bytes = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const archive = bytes(given.archive);
  const out: string[] = [];
  let memory = new WebAssembly.Memory({ initial: 0 });
  const view = () => new DataView(memory.buffer);
  const part = (at: number, n: number) => new Uint8Array(memory.buffer, at, n);
  const none = () => 8; // EBADF
  const wasi: Record<string, (...a: number[]) => number> = {
    random_get: (at, n) => {
      for (let i = 0; i < n; i += 65536) crypto.getRandomValues(part(at + i, Math.min(65536, n - i)));
      return 0;
    },
    clock_time_get: (_id, _precision, at) => {
      view().setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    },
    sched_yield: () => 0,
    proc_exit: (code) => {
      throw new Error(`the core ended with ${code}`);
    },
  };
  for (const empty of ['args', 'environ']) {
    wasi[`${empty}_get`] = () => 0;
    wasi[`${empty}_sizes_get`] = (count, size) => {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return 0;
    };
  }
  const layerlab = {
    read_at(_handle: number, offset: bigint, at: number, n: number): number {
      const piece = archive.subarray(Number(offset), Number(offset) + n);
      part(at, piece.length).set(piece);
      return piece.length;
    },
    emit(kind: number, at: number, n: number): void {
      const piece = part(at, n);
      if (kind === 1) throw new Error(new TextDecoder().decode(piece));
      if (kind === 3) out.push(btoa(Array.from(piece.subarray(4), (b) => String.fromCharCode(b)).join('')));
    },
    tick: () => 0,
  };
  const module = await WebAssembly.compileStreaming(fetch(given.wasm));
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] =
      from === 'layerlab' ? layerlab[name as keyof typeof layerlab] : (wasi[name] ?? none);
  }
  const { exports } = await WebAssembly.instantiate(module, imports);
  memory = exports.memory as WebAssembly.Memory;
  const call = exports as Record<string, (...a: number[]) => number>;
  call._initialize();
  const request = new TextEncoder().encode(
    JSON.stringify({ op: 'survey', handle: 0, size: archive.length, lens: 'spec', access: 'browser' }),
  );
  const at = call.alloc(request.length);
  part(at, request.length).set(request);
  if (call.run(at, request.length) !== 0) throw new Error('the core refused');
  return out;
}

for (const [name, read] of archives) {
  test(`Chromium and the server make the same index of ${name}`, async ({ page, request, given }) => {
    const archive = read();
    test.skip(archive === null, 'the corpus of real images is not on this machine');
    const headers = { Authorization: `Bearer ${given.secret}` };
    const stored = await request.post('/api/v1/images?upload=same', {
      headers: { ...headers, 'Content-Type': 'application/x-tar' },
      data: archive ?? undefined,
    });
    expect(stored.ok(), await stored.text()).toBe(true);
    const { images } = (await stored.json()) as { images: { id: string }[] };
    const index = await request.get(`/api/v1/images/${images[0].id}/index`, { headers });
    const native = await index.body();

    const module = page.waitForResponse(/imagecore-.*\.wasm$/);
    await page.goto('/#/preview');
    await page
      .getByTestId('look-input')
      .setInputFiles({ name: 'x', mimeType: '', buffer: dockerSave([example]) });
    const here = (
      await page.evaluate(survey, {
        wasm: (await module).url(),
        archive: archive?.toString('base64') ?? '',
      })
    ).map((b) => Buffer.from(b, 'base64'));
    expect(here.length).toBe(images.length);
    const sum = (b: Buffer) => createHash('sha256').update(b).digest('hex');
    expect(native.length).toBeGreaterThan(100);
    expect({ bytes: here[0].length, sha256: sum(here[0]) }).toEqual({
      bytes: native.length,
      sha256: sum(native),
    });
    for (const { id } of images) await request.delete(`/api/v1/images/${id}`, { headers });
  });
}
