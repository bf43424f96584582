import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs docker's own command line against the server with this data folder. */
export async function docker(data: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('docker', ['-H', `unix://${data}/docker.sock`, ...args]);
  return stdout.trim();
}
