/** The calls of the module "layerlab" that the core makes of its host; see cmd/imagecore-wasm. */
export interface Host {
  /** Fills `into` from the handle's bytes at offset; the number of bytes read, negative for an error. A promise of it only where `waits` is true. */
  readAt(handle: number, offset: number, into: Uint8Array): number | Promise<number>;
  emit(kind: number, bytes: Uint8Array): void;
  /** Asked often, with how far the work is; true stops it. A promise of it only where `waits` is true. */
  tick(done: number, total: number): boolean | Promise<boolean>;
}

/** Kinds of what the core emits. */
export const Emit = { error: 1, report: 2, index: 3, content: 4, account: 10, lines: 11, elf: 12 } as const;

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  alloc(n: number): number;
  run(ptr: number, n: number): number;
}

const badf = 8;
const nosys = 52;

/** An instance of imagecore.wasm: requests in, emitted pieces out. */
export class Guest {
  readonly #exports: Exports;
  readonly #run: (ptr: number, n: number) => number | Promise<number>;

  private constructor(exports: Exports) {
    this.#exports = exports;
    this.#run = WebAssembly.promising?.(exports.run) ?? exports.run;
  }

  static async load(url: string, host: Host): Promise<Guest> {
    const module = await WebAssembly.compileStreaming(fetch(url));
    const memory: { current: WebAssembly.Memory | null } = { current: null };
    // Views are taken anew at each call, since memory may have grown.
    const view = () => new DataView((memory.current as WebAssembly.Memory).buffer);
    const bytes = (ptr: number, n: number) =>
      new Uint8Array((memory.current as WebAssembly.Memory).buffer, ptr >>> 0, n);
    const readAt = (handle: number, offset: bigint, ptr: number, n: number) =>
      host.readAt(handle, Number(offset), bytes(ptr, n));
    const tick = (done: bigint, total: bigint) => {
      const stop = host.tick(Number(done), Number(total));
      return typeof stop === 'boolean' ? Number(stop) : stop.then(Number);
    };
    const layerlab: WebAssembly.ModuleImports = {
      read_at: suspending(readAt),
      emit: (kind: number, ptr: number, n: number) => host.emit(kind, bytes(ptr, n).slice()),
      tick: suspending(tick),
    };
    const instance = await WebAssembly.instantiate(module, {
      layerlab,
      wasi_snapshot_preview1: wasi(module, view, bytes),
    });
    const exports = instance.exports as unknown as Exports;
    memory.current = exports.memory;
    exports._initialize();
    return new Guest(exports);
  }

  /** Runs one request, after the one before it has ended; false where the core has emitted an error. After a trap, which throws, the instance is of no more use. */
  async run(request: object): Promise<boolean> {
    const json = new TextEncoder().encode(JSON.stringify(request));
    const ptr = this.#exports.alloc(json.length);
    new Uint8Array(this.#exports.memory.buffer, ptr >>> 0, json.length).set(json);
    return (await this.#run(ptr, json.length)) === 0;
  }
}

/** An import that may answer with a promise, where the core can wait for one. */
function suspending(f: (...args: never[]) => unknown): WebAssembly.ImportValue {
  return WebAssembly.Suspending ? new WebAssembly.Suspending(f) : f;
}

/** The few calls of WASI that Go's runtime makes; all others answer "not there". */
function wasi(
  module: WebAssembly.Module,
  view: () => DataView,
  bytes: (ptr: number, n: number) => Uint8Array<ArrayBuffer>,
): WebAssembly.ModuleImports {
  const none = (count: number, size: number) => {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  };
  const known: Record<string, (...args: never[]) => number> = {
    args_sizes_get: none,
    environ_sizes_get: none,
    args_get: () => 0,
    environ_get: () => 0,
    clock_time_get: (clock: number, _precision: bigint, out: number) => {
      const ms = clock === 0 ? Date.now() : performance.now();
      view().setBigUint64(out, BigInt(Math.round(ms * 1e6)), true);
      return 0;
    },
    random_get: (ptr: number, n: number) => {
      for (let at = 0; at < n; at += 65536) crypto.getRandomValues(bytes(ptr + at, Math.min(65536, n - at)));
      return 0;
    },
    // Only a panic writes: its text goes to the trap's message.
    fd_write: (_fd: number, iovs: number, n: number, written: number) => {
      let total = 0;
      for (let i = 0; i < n; i++) total += view().getUint32(iovs + i * 8 + 4, true);
      view().setUint32(written, total, true);
      return 0;
    },
    fd_prestat_get: () => badf,
    fd_fdstat_get: () => badf,
    sched_yield: () => 0,
    poll_oneoff: (_in: number, _out: number, _n: number, events: number) => {
      view().setUint32(events, 0, true);
      return 0;
    },
    proc_exit: (code: number) => {
      throw new Error(`the core ended with code ${code}`);
    },
  };
  const imports: WebAssembly.ModuleImports = {};
  for (const i of WebAssembly.Module.imports(module)) {
    if (i.module === 'wasi_snapshot_preview1') imports[i.name] = known[i.name] ?? (() => nosys);
  }
  return imports;
}
