import { describe, expect, test } from 'vitest';
import { Acks } from '../src/core/acks.ts';
import { backoff } from '../src/core/backoff.ts';
import { dockerfileLine, joinWords, parseCommand, splitWords } from '../src/core/command.ts';
import { runConfig } from '../src/core/config.ts';
import { fill } from '../src/core/fill.ts';
import { ago, count, modeText, signed, size, utc } from '../src/core/format.ts';
import { asText, hexLines } from '../src/core/hex.ts';
import { apply, healthOf, imageName, sharing } from '../src/core/lists.ts';
import { ReadAhead } from '../src/core/readahead.ts';
import { codeIn, formatRoute, parseRoute, type Route, top } from '../src/core/route.ts';
import type { ApiEvent, Container, Image } from '../src/core/wire.ts';

describe('commands of the history', () => {
  test.each([
    ['/bin/sh -c #(nop)  CMD ["sh"]', 'CMD', '["sh"]'],
    ['/bin/sh -c apk add curl', 'RUN', 'apk add curl'],
    ['RUN /bin/sh -c apk add curl # buildkit', 'RUN', 'apk add curl'],
    ['COPY app /app # buildkit', 'COPY', 'app /app'],
    ['|1 A=b /bin/sh -c make', 'RUN', 'make'],
    ['bazel build ...', '', 'bazel build ...'],
    ['', '', ''],
  ])('%s', (text, word, rest) => {
    expect(parseCommand(text)).toEqual({ word, rest });
    expect(dockerfileLine(text)).toBe([word, rest].filter(Boolean).join(' '));
  });
});

describe('words of a command line', () => {
  test.each<[string, string[]]>([
    ['ls -l', ['ls', '-l']],
    [`sh -c 'a "b"  c'`, ['sh', '-c', 'a "b"  c']],
    [String.raw`a\ b "c\"d" ''`, ['a b', 'c"d', '']],
    ['  ', []],
  ])('%s', (line, words) => {
    expect(splitWords(line)).toEqual(words);
    expect(splitWords(joinWords(words))).toEqual(words);
  });
});

describe('format', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1523200, '1.52 MB'],
    [99_960, '100 kB'],
    [999_600, '1.00 MB'],
    [1_400_000_000, '1.40 GB'],
  ])('%i bytes', (n, want) => expect(size(n)).toBe(want));
  test.each([
    [1520, '+1.52 kB'],
    [-1520, '−1.52 kB'],
    [0, '0'],
  ])('%i bytes with their sign', (n, want) => expect(signed(n)).toBe(want));
  test('counts are grouped', () => expect(count(1523200)).toBe('1\u2009523\u2009200'));
  test.each([
    [2, 0o755, 'drwxr-xr-x'],
    [1, 0o4755, '-rwsr-xr-x'],
    [2, 0o1777, 'drwxrwxrwt'],
    [1, 0o2644, '-rw-r-Sr--'],
  ])('mode %i %i', (kind, mode, want) => expect(modeText(kind, mode)).toBe(want));
  test('times', () => {
    expect(utc(0)).toBe('1970-01-01 00:00:00');
    expect(utc(1e18)).toBe('—');
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(ago('2026-01-01T21:00:00Z', now, 'en-GB')).toBe('3 hours ago');
    expect(ago('0001-01-01T00:00:00Z', now, 'en-GB')).toBe('');
  });
});

test('messages are filled and numbers choose their words', () => {
  expect(fill('{n} {n|layer|layers} of {name}', { n: 1, name: 'x' })).toBe('1 layer of x');
  expect(fill('{n} {n|layer|layers}', { n: count(1200) })).toBe('1\u2009200 layers');
  expect(fill('{missing}', {})).toBe('{missing}');
});

describe('routes', () => {
  test.each<Route>([
    { view: 'home' },
    { view: 'preview', id: '', look: top },
    { view: 'words', term: 'diffID' },
    { view: 'container', id: 'ab12' },
    { view: 'container', id: 'ab12', tab: 'trace' },
    { view: 'preview', id: 'sha256:ab', look: { ...top, lens: 'umoci', path: 'etc' }, tab: 'waste' },
    { view: 'image', id: 'sha256:ab', look: { ...top, layer: 2 }, tab: 'papers' },
    { view: 'image', id: 'sha256:ab', look: top },
    { view: 'image', id: 'sha256:ab', look: { ...top, layer: 3, mode: 'only', path: 'etc/a b&c' } },
    { view: 'image', id: 'sha256:ab', look: { ...top, other: 'sha256:cd', from: -1 }, tab: 'diff' },
  ])('%o survives the address', (route) => expect(parseRoute(formatRoute(route))).toEqual(route));
  test('the unknown leads home', () => expect(parseRoute('#/nothing/here')).toEqual({ view: 'home' }));
  test.each([
    ['http://127.0.0.1:8080/#code=aB3-x_9zzz', 'aB3-x_9zzz'],
    ['#code=abc', 'abc'],
    ['  aB3-x_9zzz ', 'aB3-x_9zzz'],
    ['hello', null],
    ['', null],
  ])('a code in %s', (text, want) => expect(codeIn(text)).toBe(want));
});

describe('read-ahead', () => {
  test('windows grow while reading goes on and shrink when it jumps', () => {
    const r = new ReadAhead();
    const total = 1 << 30;
    const lengths: number[] = [];
    let at = 0;
    for (let i = 0; i < 5; i++) {
      const [start, end] = r.window(at, 512, total);
      lengths.push((end - start) >> 20);
      at = end;
    }
    expect(lengths).toEqual([2, 4, 8, 8, 8]);
    const [start, end] = r.window(900 << 20, 512, total);
    expect(end - start).toBe(256 << 10);
  });
  test('a window holds what was asked for and ends with the file', () => {
    expect(new ReadAhead().window(100, 16 << 20, 1000)).toEqual([100, 1000]);
    expect(new ReadAhead().window(0, 16 << 20, 1 << 30)).toEqual([0, 16 << 20]);
  });
});

test('waits double up to eight seconds', () => {
  expect([1, 2, 3, 6, 20].map((n) => backoff(n, 0.5))).toEqual([250, 500, 1000, 8000, 8000]);
});

describe('acknowledgements', () => {
  test('go out when all that came is on the screen', () => {
    const a = new Acks();
    a.ready(0);
    a.received(10);
    a.received(5);
    expect(a.shown(10)).toBeNull();
    expect(a.shown(5)).toBe(15);
  });
  test('go out every 32 KiB while more is under way', () => {
    const a = new Acks();
    a.received(1 << 20);
    expect(a.shown(25 << 10)).toBeNull();
    expect(a.shown(25 << 10)).toBe(50 << 10);
  });
  test('know the past, also where it is replayed again', () => {
    const a = new Acks();
    a.ready(4);
    expect(a.replaying).toBe(true);
    a.received(4);
    a.shown(4);
    expect(a.replaying).toBe(false);
    a.ready(2);
    expect(a.replaying).toBe(true);
    a.received(3);
    a.shown(3);
    expect(a.replaying).toBe(false);
  });
});

describe('content', () => {
  test('text is told from binary, a cut character included', () => {
    expect(asText(new TextEncoder().encode('grün'))).toBe('grün');
    expect(asText(new Uint8Array([0x7f, 0x45, 0]))).toBeNull();
    expect(asText(new Uint8Array([0x61, 0xff]))).toBeNull();
    expect(asText(new Uint8Array([0x61, 0xe4, 0xb8]))).toBe('a\ufffd');
  });
  test('hex lines have an address, bytes and characters', () => {
    const [line] = hexLines(new TextEncoder().encode('hello\n'), 1);
    expect([line.at, line.bytes.trim(), line.text]).toEqual(['00000000', '68 65 6c 6c 6f 0a', 'hello·']);
  });
});

describe('lists', () => {
  const image = (id: string, chains: string[] = []): Image => ({
    id,
    refs: [],
    platform: '',
    created: '',
    size: 0,
    unpacked: 0,
    containers: 0,
    sample: false,
    layers: chains.map((chainID) => ({ chainID, diffID: '', size: 1, createdBy: '' })),
  });
  const event = (kind: ApiEvent['kind'], id: string, data: unknown): ApiEvent => ({
    seq: 1,
    time: '',
    kind,
    id,
    data,
  });
  test('events put, replace and remove', () => {
    let lists = { images: [image('a')], containers: [] as Container[] };
    lists = apply(lists, event('image.created', 'b', image('b')));
    lists = apply(lists, event('image.created', 'a', { ...image('a'), refs: ['x:1'] }));
    expect(lists.images.map(imageName)).toEqual(['b', 'x:1']);
    lists = apply(lists, event('image.deleted', 'b', null));
    expect(lists.images.map((i) => i.id)).toEqual(['a']);
    expect(apply(lists, event('container.changes', 'c', {}))).toBe(lists);
  });
  test('what a health check finds is the container’s, as long as it runs', () => {
    const c = { id: 'c', state: 'running', health: 'starting' } as Container;
    let lists = { images: [] as Image[], containers: [c] };
    const act = (action: string, id = 'c') =>
      event('action', id, { of: 'container', action, attributes: {} });
    expect(apply(lists, act('kill'))).toBe(lists);
    expect(apply(lists, act('exec_create: health_status: healthy'))).toBe(lists);
    expect(apply(lists, act('health_status: healthy', 'other'))).toBe(lists);
    lists = apply(lists, act('health_status: unhealthy'));
    expect(lists.containers.map(healthOf)).toEqual(['unhealthy']);
    expect(lists.containers.map((x) => healthOf({ ...x, state: 'exited' }))).toEqual([undefined]);
    expect(healthOf({ ...c, health: 'none' })).toBeUndefined();
  });
  test('layers shared by images are counted by chainID', () => {
    expect(sharing([image('a', ['1', '2']), image('b', ['1', '3'])])).toEqual(
      new Map([
        ['1', 2],
        ['2', 1],
        ['3', 1],
      ]),
    );
  });
});

test('a config without a config still answers', () => {
  expect(runConfig('{"config":{"Cmd":["sh"],"Entrypoint":null}}')).toMatchObject({
    cmd: ['sh'],
    entrypoint: [],
    env: [],
  });
  expect(runConfig('no json').cmd).toEqual([]);
});
