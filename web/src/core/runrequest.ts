import type { RunFields } from './runline.ts';
import { logOf } from './runlog.ts';
import type { HealthCheck, Limits, MountSpec, NewContainer, PublishPort, Security } from './wire.ts';

/** What of the fields cannot be meant, by the field. */
export interface FieldProblem {
  field: keyof RunFields;
  value: string;
}

/** The body of POST /containers for the fields, or what is wrong with them. */
export function toRequest(f: RunFields): { body: NewContainer } | { problems: FieldProblem[] } {
  const problems: FieldProblem[] = [];
  const read = <T>(field: keyof RunFields, values: readonly string[], parse: (v: string) => T | null): T[] =>
    values.flatMap((value) => {
      const got = parse(value);
      if (got === null) problems.push({ field, value });
      return got === null ? [] : [got];
    });
  const one = <T>(field: keyof RunFields, value: string, parse: (v: string) => T | null): T | undefined =>
    value === '' ? undefined : read(field, [value], parse)[0];

  const body: NewContainer = { image: f.image, tty: f.tty };
  if (f.command.length > 0) body.command = f.command;
  if (f.entrypoint) body.entrypoint = f.entrypoint.length > 0 ? f.entrypoint : [''];
  if (f.name) body.name = f.name;
  if (f.user) body.user = f.user;
  if (f.workdir) body.workingDir = f.workdir;
  if (f.hostname) body.hostname = f.hostname;
  if (f.env.length > 0) body.env = read('env', f.env, (v) => (/^[^=]+=/.test(v) ? v : null));
  if (f.runtime) body.runtime = f.runtime;
  if (f.init) body.init = true;
  if (f.rm) body.autoRemove = true;
  const mounts = [...read('volumes', f.volumes, volumeOf), ...read('tmpfs', f.tmpfs, tmpfsOf)];
  if (mounts.length > 0) body.mounts = mounts;
  const limits: Limits = {};
  const memory = one('memory', f.memory, bytesOf);
  if (memory !== undefined) limits.memory = memory;
  const cpus = one('cpus', f.cpus, (v) =>
    /^\d*\.?\d+$/.test(v) && Number(v) > 0 ? Math.round(Number(v) * 1e9) : null,
  );
  if (cpus !== undefined) limits.nanoCPUs = cpus;
  const pids = one('pids', f.pids, (v) => (/^(-1|[1-9]\d*)$/.test(v) ? Number(v) : null));
  if (pids !== undefined) limits.pids = pids;
  const shm = one('shm', f.shm, bytesOf);
  if (shm !== undefined) limits.shm = shm;
  if (Object.keys(limits).length > 0) body.limits = limits;
  const security: Security = {};
  if (f.capAdd.length > 0) security.capAdd = f.capAdd.map(capabilityOf);
  if (f.capDrop.length > 0) security.capDrop = f.capDrop.map(capabilityOf);
  if (f.readOnly) security.readOnlyRoot = true;
  if (f.privileged) security.privileged = true;
  if (read('securityOpts', f.securityOpts, noNewPrivileges).some(Boolean)) security.noNewPrivileges = true;
  if (Object.keys(security).length > 0) body.security = security;
  const restart = one('restart', f.restart, restartOf);
  if (restart) body.restart = restart;
  if (f.stopSignal) body.stopSignal = f.stopSignal;
  const stopTimeout = one('stopTimeout', f.stopTimeout, (v) => (/^(-1|\d{1,9})$/.test(v) ? Number(v) : null));
  if (stopTimeout !== undefined) body.stopTimeout = stopTimeout;
  const health = healthOf(f, one);
  if (health) body.health = health;
  if (f.logDriver || f.logOpts.length > 0) {
    const log = logOf(f.logDriver, f.logOpts);
    if ('bad' in log) problems.push(...log.bad);
    else if (Object.keys(log.limits).length > 0) body.log = log.limits;
  }
  const publish = read('ports', f.ports, portsOf).flat();
  const extraHosts = read('hosts', f.hosts, (v) => (/^[^:=\s]+[:=].+$/.test(v) ? v.replace('=', ':') : null));
  if (f.aliases.length > 0 && !f.network) problems.push({ field: 'aliases', value: f.aliases.join(' ') });
  if (publish.length > 0 || f.network || f.publishAll || extraHosts.length > 0) {
    body.network = {
      ...(f.network && { mode: f.network }),
      ...(f.aliases.length > 0 && { join: { [f.network]: { aliases: f.aliases } } }),
      ...(publish.length > 0 && { publish, exposed: exposedBy(publish) }),
      ...(f.publishAll && { publishAll: true }),
      ...(extraHosts.length > 0 && { extraHosts }),
    };
  }
  if (f.labels.length > 0) {
    body.labels = Object.fromEntries(
      f.labels.map((l): [string, string] =>
        l.includes('=') ? [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)] : [l, ''],
      ),
    );
  }
  return problems.length > 0 ? { problems } : { body };
}

type One = <T>(field: keyof RunFields, value: string, parse: (v: string) => T | null) => T | undefined;

/** What the fields say of a health check; undefined leaves the image's. */
function healthOf(f: RunFields, one: One): HealthCheck | undefined {
  const health: HealthCheck = {};
  if (f.healthCmd) health.test = ['CMD-SHELL', f.healthCmd];
  const interval = one('healthInterval', f.healthInterval, nanosecondsOf);
  if (interval !== undefined) health.interval = interval;
  const timeout = one('healthTimeout', f.healthTimeout, nanosecondsOf);
  if (timeout !== undefined) health.timeout = timeout;
  const startPeriod = one('healthStartPeriod', f.healthStartPeriod, nanosecondsOf);
  if (startPeriod !== undefined) health.startPeriod = startPeriod;
  const retries = one('healthRetries', f.healthRetries, (v) => (/^[1-9]\d{0,5}$/.test(v) ? Number(v) : null));
  if (retries !== undefined) health.retries = retries;
  if (!f.noHealth) return Object.keys(health).length > 0 ? health : undefined;
  // As docker has it: none, and settings for it, cannot both be meant.
  if (Object.keys(health).length > 0) one('healthCmd', '--no-healthcheck', () => null);
  return { test: ['NONE'] };
}

/** As docker's command line sends it: NET_ADMIN and cap_net_admin are CAP_NET_ADMIN. */
function capabilityOf(text: string): string {
  const name = text.toUpperCase().replace(/^CAP_/, '');
  return name === 'ALL' ? name : `CAP_${name}`;
}

const noNewPrivileges = (text: string) => {
  const m = /^no-new-privileges(?:[=:](true|false))?$/.exec(text);
  return m ? m[1] !== 'false' : null;
};

/** The ports that are published, as a container's config lists them. */
function exposedBy(publish: readonly PublishPort[]): string[] {
  return [...new Set(publish.map((p) => `${p.port}/${p.proto}`))].sort();
}

const unitsOfTime: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** "30s", "1m30s" or "500ms" in nanoseconds, as Go writes times; at least one millisecond, as docker asks. */
export function nanosecondsOf(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return null;
  let sum = 0;
  for (const [, n, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(n) * unitsOfTime[unit];
  return sum >= 1e6 ? Math.round(sum) : null;
}

/** "512m", "1.5g" or "67108864" in bytes; docker's units are powers of 1024. */
export function bytesOf(text: string): number | null {
  const m = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!m) return null;
  const bytes = Math.floor(Number(m[1]) * 1024 ** Math.max(0, 'bkmgt'.indexOf(m[2].toLowerCase() || 'b')));
  return bytes > 0 ? bytes : null;
}

/** "8080:80", "127.0.0.1:8080:80/udp", "[::1]:53:53", "8000-8002:80-82" or "80". */
export function portsOf(text: string): PublishPort[] | null {
  const m = /^(?:(\[[^\]]+\]|[^:]+):)?(?:(\d*)(?:-(\d+))?:)?(\d+)(?:-(\d+))?(?:\/(tcp|udp))?$/.exec(text);
  if (!m) return null;
  let [, host = '', first = ''] = m;
  const [, , , last = '', port, end = port, proto = 'tcp'] = m;
  // "8080:80": what stands alone before the port is the host's port.
  if (host && m[2] === undefined) {
    const span = /^(\d+)(?:-(\d+))?$/.exec(host);
    if (!span) return null;
    [host, first] = ['', span[1]];
    return spread('', Number(first), Number(span[2] ?? first), Number(port), Number(end), proto);
  }
  return spread(
    host.replace(/^\[|\]$/g, ''),
    Number(first || 0),
    Number(last || first || 0),
    Number(port),
    Number(end),
    proto,
  );
}

function spread(
  host: string,
  first: number,
  last: number,
  port: number,
  end: number,
  proto: string,
): PublishPort[] | null {
  if (port < 1 || end < port || [first, last, end].some((p) => p > 65535) || last < first) return null;
  const n = end - port + 1;
  // One port may be given any of several of the host's; several get one each.
  if (n > 1 && first > 0 && last - first + 1 !== n) return null;
  return Array.from({ length: n }, (_, i) => ({
    proto,
    port: port + i,
    ...(host && { host }),
    ...(first > 0 && (n > 1 ? { first: first + i, last: first + i } : { first, last })),
  }));
}

/** "data:/var/lib", "/srv:/srv:ro" or "/cache". */
function volumeOf(text: string): MountSpec | null {
  const parts = text.split(':');
  if (parts.length > 3 || parts.some((p) => p === '')) return null;
  const [source, target, options = ''] = parts.length === 1 ? ['', parts[0]] : parts;
  if (!target.startsWith('/')) return null;
  const said = options ? options.split(',') : [];
  if (said.some((o) => !['ro', 'rw', 'nocopy', 'z', 'Z'].includes(o))) return null;
  return {
    type: source.startsWith('/') ? 'bind' : 'volume',
    ...(source && { source }),
    target,
    ...(said.includes('ro') && { readOnly: true }),
    ...(said.includes('nocopy') && { noCopy: true }),
    ...(source.startsWith('/') && { makeSource: true }),
  };
}

function tmpfsOf(text: string): MountSpec | null {
  const [target, ...options] = text.split(':');
  if (!target.startsWith('/')) return null;
  return { type: 'tmpfs', target, ...(options.length > 0 && { options: options.join(':').split(',') }) };
}

function restartOf(text: string): { name: string; max?: number } | null {
  const m = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/.exec(text);
  if (!m || (m[2] && m[1] !== 'on-failure')) return null;
  return { name: m[1], ...(m[2] && { max: Number(m[2]) }) };
}
