import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../../bin/layerlab', import.meta.url));
// What the sandbox runs is translated once, not for each server's new data folder.
const modules = fileURLToPath(new URL('../../bin/modules', import.meta.url));

/** A running layerlab: its origin and the address that logs in once. */
export class Server {
  origin = '';
  login = '';
  readonly data: string;
  readonly listen: string;
  readonly flags: string[];
  #process: ChildProcess | null = null;
  #log = '';

  private constructor(data: string, listen: string, flags: string[]) {
    this.data = data;
    this.listen = listen;
    this.flags = flags;
  }

  /** Starts bin/layerlab on a free port with an empty data folder, and further flags. */
  static async start(flags: string[] = []): Promise<Server> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run make build first`);
    const server = new Server(mkdtempSync(join(tmpdir(), 'layerlab-e2e-')), '127.0.0.1:0', flags);
    try {
      await server.#run(server.listen);
    } catch (cause) {
      await server.stop();
      throw cause;
    }
    return server;
  }

  /** Ends the server as a crash would and starts it again on the same port and data. */
  async restart(): Promise<void> {
    await this.#end('SIGKILL');
    await this.#run(new URL(this.origin).host);
  }

  /** Ends the server for good, with the containers of this session: they would outlive it. */
  async stop(secret?: string): Promise<void> {
    if (secret) await this.clear(secret);
    await this.#end('SIGTERM');
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Takes away what a test leaves: containers, recordings, and volumes, networks and images without a name that nobody uses then. */
  async clear(secret: string): Promise<void> {
    const call = async (method: string, path: string, body?: object) =>
      (
        await fetch(`${this.origin}/api/v1${path}`, {
          method,
          headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        })
      ).text();
    const list = async <T>(path: string) => JSON.parse(await call('GET', path)) as T;
    const { containers } = await list<{ containers: { id: string; state: string }[] }>('/containers');
    for (const c of containers) {
      if (c.state !== 'exited') await call('POST', `/containers/${c.id}/kill`);
      await call('DELETE', `/containers/${c.id}`);
    }
    const { recordings } = await list<{ recordings: { id: string }[] }>('/recordings');
    for (const r of recordings) await call('DELETE', `/recordings/${r.id}`);
    await call('POST', '/volumes/prune', { all: true });
    await call('POST', '/networks/prune');
    await call('POST', '/images/prune', { all: false });
  }

  #run(listen: string): Promise<void> {
    const fixed = ['serve', '--listen', listen, '--data', this.data, '--module-cache', modules];
    const child = spawn(binary, [...fixed, ...this.flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    this.#log = '';
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no address within 60 s:\n${this.#log}`)), 60_000);
      const read = (chunk: Buffer) => {
        this.#log += chunk.toString();
        const url = /https?:\/\/[^\s"]+#code=[\w.~-]+/.exec(this.#log)?.[0];
        if (!url) return;
        clearTimeout(late);
        this.login = url;
        this.origin = new URL(url).origin;
        resolve();
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
      child.once('exit', (code) => {
        clearTimeout(late);
        reject(new Error(`the server ended with code ${code}:\n${this.#log}`));
      });
    });
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }
}
