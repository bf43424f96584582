import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { docker } from './docker.ts';
import { expect, test } from './fixtures.ts';

// What a client says without being asked: nothing, empty lists, what it attaches to,
// and that memory is swapped as the host has it.
function said(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map(said) : undefined;
  if (typeof value !== 'object') return value || undefined;
  const all = Object.entries(value ?? {}).flatMap(([k, v]): [string, unknown][] => {
    const one =
      /^Attach|^StdinOnce$|^ConsoleSize$/.test(k) || (k === 'MemorySwappiness' && v === -1)
        ? undefined
        : said(v);
    return one === undefined ? [] : [[k, one]];
  });
  return all.length > 0 ? Object.fromEntries(all) : undefined;
}

test('what the run dialog makes, its docker line makes too', async ({ page, given }) => {
  test.skip(given.server === null, 'LAYERLAB_URL names a server whose socket is not known');
  const data = given.server?.data ?? '';
  const host = { ...process.env, DOCKER_HOST: `unix://${data}/docker.sock` };
  const sh = async (line: string) =>
    (await promisify(execFile)('sh', ['-c', line], { env: host })).stdout.trim();
  await docker(data, 'network', 'create', 'exact');
  // What is a container's own, and no setting of it.
  const asked = async (name: string) => {
    const [c] = JSON.parse(await docker(data, 'inspect', name)) as Record<string, Record<string, unknown>>[];
    const { Hostname, Env, ...config } = c.Config;
    const networks = c.NetworkSettings.Networks as Record<string, { Aliases: string[] | null }>;
    const own = (x: string) => /^[0-9a-f]{12}$/.test(x) || x === name;
    return {
      config: said({
        ...config,
        hostname: own(Hostname as string) ? '' : Hostname,
        // The order in which a process finds them says nothing.
        env: (Env as string[]).filter((e) => !own(e.replace('HOSTNAME=', ''))).sort(),
      }),
      host: said(c.HostConfig),
      mounts: (c.Mounts as unknown as { Type: string; Destination: string; RW: boolean }[])
        .map((m) => `${m.Type} ${m.Destination} ${m.RW}`)
        .sort(),
      networks: Object.keys(networks).map((n) => [n, networks[n].Aliases?.filter((a) => !own(a))]),
    };
  };
  for (const flags of [
    '',
    "-t --rm --hostname box --user 1000:100 --workdir /tmp --env 'A=b c' --env D= --label x=y --entrypoint sh",
    '-p 18471:80 -p 127.0.0.1:18472:53/udp --network exact --network-alias one --network-alias two --add-host gw:10.0.0.9',
    '-v kept:/kept:ro -v /anonymous --tmpfs /scratch:size=1m --read-only --shm-size 32m',
    '-m 64m --cpus 0.5 --pids-limit 50 --restart on-failure:3 --init --stop-signal SIGINT --stop-timeout 3',
    "--health-cmd 'test -f /well' --health-interval 1m30s --health-timeout 2s --health-retries 5 --health-start-period 3s --log-driver local --log-opt max-file=2 --log-opt tag=lab",
    '--no-healthcheck --cap-add NET_ADMIN --cap-drop CHOWN --security-opt no-new-privileges --privileged --log-driver json-file --log-opt max-size=1000000 --network none',
  ]) {
    await test.step(`docker run ${flags}`, async () => {
      await page.goto('/#/');
      await page.getByRole('button', { name: 'Run layerlab/sample:latest' }).click();
      const line = page.getByRole('dialog').getByLabel('The same with docker');
      await line.fill(`docker run -d --name exact ${flags} layerlab/sample:latest sleep 1000`);
      await line.blur();
      const printed = await line.inputValue();
      await page.getByRole('dialog').getByRole('button', { name: 'Create only' }).click();
      await expect(page).toHaveURL(/#\/containers\//);
      if (flags.includes('--privileged'))
        await expect(page.getByText('inside its own user namespace, never the host’s')).toBeVisible();
      const byPage = await asked('exact');
      await docker(data, 'rm', '-v', 'exact');
      // Create, not run: what is made is compared, and nothing of it has to start.
      await sh(
        printed.replace(
          /^docker run (-dit|-d) /,
          (_, f: string) => `docker create ${f === '-dit' ? '-it' : ''} `,
        ),
      );
      expect.soft(byPage).toEqual(await asked('exact'));
      await docker(data, 'rm', '-v', 'exact');
    });
  }
  await docker(data, 'network', 'rm', 'exact');
  await docker(data, 'volume', 'rm', '-f', 'kept');
});
