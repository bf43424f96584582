import { joinWords, splitWords } from './command.ts';

/** What a person says of a container to be run. Empty means: as the image, or the server, has it. */
export interface RunFields {
  image: string;
  command: string[];
  /** The first word is the program; null leaves the image's. */
  entrypoint: string[] | null;
  name: string;
  tty: boolean;
  rm: boolean;
  env: string[];
  user: string;
  workdir: string;
  hostname: string;
  /** As -p takes them: [[address:]host:]port[/proto]. */
  ports: string[];
  publishAll: boolean;
  network: string;
  /** Names by which others of the network find it, beside its own. */
  aliases: string[];
  /** As --add-host takes them: name:address. */
  hosts: string[];
  /** As -v takes them: [source:]target[:options]. */
  volumes: string[];
  /** As --tmpfs takes them: target[:options]. */
  tmpfs: string[];
  memory: string;
  cpus: string;
  pids: string;
  shm: string;
  readOnly: boolean;
  init: boolean;
  privileged: boolean;
  capAdd: string[];
  capDrop: string[];
  /** As --security-opt takes them; no-new-privileges alone is served here. */
  securityOpts: string[];
  restart: string;
  stopSignal: string;
  /** Seconds. */
  stopTimeout: string;
  /** A line that a shell in the container runs: what the image's check is, where it is empty. */
  healthCmd: string;
  /** As Docker writes times: 30s, 1m30s. */
  healthInterval: string;
  healthTimeout: string;
  healthStartPeriod: string;
  healthRetries: string;
  noHealth: boolean;
  logDriver: string;
  /** As --log-opt takes them: name=value. */
  logOpts: string[];
  runtime: string;
  labels: string[];
}

export function emptyRun(image: string): RunFields {
  return {
    image,
    command: [],
    entrypoint: null,
    name: '',
    tty: true,
    rm: false,
    env: [],
    user: '',
    workdir: '',
    hostname: '',
    ports: [],
    publishAll: false,
    network: '',
    aliases: [],
    hosts: [],
    volumes: [],
    tmpfs: [],
    memory: '',
    cpus: '',
    pids: '',
    shm: '',
    readOnly: false,
    init: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    securityOpts: [],
    restart: '',
    stopSignal: '',
    stopTimeout: '',
    healthCmd: '',
    healthInterval: '',
    healthTimeout: '',
    healthStartPeriod: '',
    healthRetries: '',
    noHealth: false,
    logDriver: '',
    logOpts: [],
    runtime: '',
    labels: [],
  };
}

export interface LineProblem {
  code: 'no-run' | 'no-image' | 'flag-unknown' | 'flag-value' | 'env-unset' | 'quote-open' | 'mount';
  flag: string;
}

type Of<T> = { [K in keyof RunFields]: RunFields[K] extends T ? K : never }[keyof RunFields];
type Texts = Exclude<Of<string>, 'image'>;
type Lists = Exclude<Of<string[]>, 'command'>;
type Flags = Of<boolean>;

const texts: Record<string, Texts> = {
  '--name': 'name',
  '--user': 'user',
  '--workdir': 'workdir',
  '--hostname': 'hostname',
  '--network': 'network',
  '--memory': 'memory',
  '--cpus': 'cpus',
  '--pids-limit': 'pids',
  '--shm-size': 'shm',
  '--restart': 'restart',
  '--stop-signal': 'stopSignal',
  '--stop-timeout': 'stopTimeout',
  '--health-cmd': 'healthCmd',
  '--health-interval': 'healthInterval',
  '--health-timeout': 'healthTimeout',
  '--health-start-period': 'healthStartPeriod',
  '--health-retries': 'healthRetries',
  '--log-driver': 'logDriver',
  '--runtime': 'runtime',
};
const lists: Record<string, Lists> = {
  '--env': 'env',
  '--publish': 'ports',
  '--network-alias': 'aliases',
  '--add-host': 'hosts',
  '--volume': 'volumes',
  '--tmpfs': 'tmpfs',
  '--cap-add': 'capAdd',
  '--cap-drop': 'capDrop',
  '--security-opt': 'securityOpts',
  '--log-opt': 'logOpts',
  '--label': 'labels',
};
const flags: Record<string, Flags | null> = {
  '--tty': 'tty',
  '--rm': 'rm',
  '--publish-all': 'publishAll',
  '--read-only': 'readOnly',
  '--init': 'init',
  '--privileged': 'privileged',
  '--no-healthcheck': 'noHealth',
  // A container of the page runs in the background, and its terminal reads.
  '--detach': null,
  '--interactive': null,
};
const short: Record<string, string> = {
  '-t': '--tty',
  '-d': '--detach',
  '-i': '--interactive',
  '-P': '--publish-all',
  '-e': '--env',
  '-p': '--publish',
  '-v': '--volume',
  '-l': '--label',
  '-u': '--user',
  '-w': '--workdir',
  '-h': '--hostname',
  '-m': '--memory',
  '--net': '--network',
  '--net-alias': '--network-alias',
};

/** The docker command line that makes the same container, quoted for a POSIX shell. */
export function toLine(f: RunFields): string {
  const words = ['docker', 'run', f.tty ? '-dit' : '-d'];
  for (const [flag, field] of Object.entries(flags)) {
    if (field && field !== 'tty' && f[field]) words.push(flag);
  }
  for (const [flag, field] of Object.entries(texts)) {
    if (f[field] !== '') words.push(flag, f[field]);
  }
  for (const [flag, field] of Object.entries(lists)) {
    for (const value of f[field]) words.push(flag, value);
  }
  // --entrypoint takes one word: its arguments begin the command.
  if (f.entrypoint) words.push('--entrypoint', f.entrypoint[0] ?? '');
  words.push(f.image, ...(f.entrypoint?.slice(1) ?? []), ...f.command);
  return joinWords(words);
}

/** Reads a docker run line as a person pastes it: with sudo or a prompt before it, and over several lines. */
export function fromLine(text: string): { fields: RunFields } | { problem: LineProblem } {
  if (openQuote(text)) return no('quote-open');
  const words = splitWords(text.trim().replace(/^[$#]\s+/, ''));
  if (words[0] === 'sudo') words.shift();
  if (words[0] === 'docker') words.shift();
  if (words[0] === 'container') words.shift();
  if (words.shift() !== 'run') return no('no-run');
  const f = emptyRun('');
  f.tty = false;
  while (words.length > 0 && words[0].startsWith('-') && words[0] !== '--') {
    const problem = takeFlag(f, words);
    if (problem) return { problem };
  }
  if (words[0] === '--') words.shift();
  const image = words.shift();
  if (!image) return no('no-image');
  f.image = image;
  f.command = words;
  return { fields: f };
}

function no(code: LineProblem['code'], flag = ''): { problem: LineProblem } {
  return { problem: { code, flag } };
}

/** Takes one flag with its value off the front of the words. */
function takeFlag(f: RunFields, words: string[]): LineProblem | null {
  const word = words.shift() ?? '';
  let name = word;
  let value: string | undefined;
  if (word.startsWith('--')) {
    const at = word.indexOf('=');
    if (at > 0) {
      name = word.slice(0, at);
      value = word.slice(at + 1);
    }
    name = short[name] ?? name;
  } else {
    // -dit stands for three flags, -p80:80 for one with its value.
    const known = short[word.slice(0, 2)];
    if (!known) return { code: 'flag-unknown', flag: word.slice(0, 2) };
    name = known;
    const rest = word.slice(2);
    if (rest !== '') {
      if (known in flags && !rest.startsWith('=')) words.unshift(`-${rest}`);
      else value = rest.replace(/^=/, '');
    }
  }
  if (name in flags) {
    if (value !== undefined && !/^(true|false|1|0)$/i.test(value)) return { code: 'flag-value', flag: name };
    const field = flags[name];
    if (field) f[field] = !/^(false|0)$/i.test(value ?? '');
    return null;
  }
  if (!(name in texts || name in lists || name === '--entrypoint' || name === '--mount'))
    return { code: 'flag-unknown', flag: name };
  value ??= words.shift();
  if (value === undefined) return { code: 'flag-value', flag: name };
  if (name in texts) f[texts[name]] = value;
  else if (name === '--entrypoint') f.entrypoint = value === '' ? [] : [value];
  else if (name === '--mount') return takeMount(f, value);
  else if (name === '--env' && !value.includes('=')) return { code: 'env-unset', flag: value };
  else f[lists[name]].push(value);
  return null;
}

/** --mount says at length what -v and --tmpfs say in short. */
function takeMount(f: RunFields, text: string): LineProblem | null {
  const said = new Map(
    text.split(',').map((part): [string, string] => {
      const at = part.indexOf('=');
      return at < 0 ? [part, 'true'] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
  const take = (...names: string[]) => {
    const found = names.find((n) => said.has(n)) ?? '';
    const value = said.get(found) ?? '';
    said.delete(found);
    return value;
  };
  const type = take('type') || 'volume';
  const target = take('target', 'dst', 'destination');
  const source = take('source', 'src');
  const readOnly = /^(true|1)$/i.test(take('readonly', 'ro'));
  const size = take('tmpfs-size');
  if (!target || said.size > 0 || !['bind', 'volume', 'tmpfs'].includes(type))
    return { code: 'mount', flag: text };
  if (type === 'tmpfs') f.tmpfs.push(size ? `${target}:size=${size}` : target);
  else if (!source && type === 'bind') return { code: 'mount', flag: text };
  else f.volumes.push(`${source ? `${source}:` : ''}${target}${readOnly ? ':ro' : ''}`);
  return null;
}

/** Whether a quote is left open at the end, which a shell would go on asking about. */
function openQuote(text: string): boolean {
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && quote !== "'") i++;
    else if (quote) quote = c === quote ? '' : quote;
    else if (c === '"' || c === "'") quote = c;
  }
  return quote !== '';
}
