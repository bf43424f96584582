import { describe, expect, test } from 'vitest';
import { CatchUp } from '../src/core/catchup.ts';
import { type Fate, fates, tookOf } from '../src/core/fate.ts';
import { lasting } from '../src/core/format.ts';
import { apply, containerAt, type Lists, usersOf } from '../src/core/lists.ts';
import { isContainerName, isReference, withTag } from '../src/core/reference.ts';
import { emptyRun, type RunFields } from '../src/core/runline.ts';
import { nanosecondsOf, toRequest } from '../src/core/runrequest.ts';
import type { ApiEvent, Container, Image } from '../src/core/wire.ts';

const image = (id: string, ...refs: string[]) => ({ id, refs, layers: [] }) as unknown as Image;
const container = (id: string, more: Partial<Container> = {}) =>
  ({ id, name: id, image: 'a', state: 'running', exitCode: null, error: null, ...more }) as Container;
const event = (seq: number, kind: ApiEvent['kind'], id: string, data: unknown): ApiEvent => ({
  seq,
  time: '',
  kind,
  id,
  data,
});

describe('events and lists', () => {
  test('an address means one container, whoever gets its name', () => {
    const [web, other] = [container('c1', { name: 'web' }), container('c2', { name: 'other' })];
    const lists: Lists = { images: [], containers: [other, web] };
    expect([containerAt(lists, 'web', null), containerAt(lists, 'c1', null)]).toEqual([web, web]);
    const renamed: Lists = {
      images: [],
      containers: [
        { ...other, name: 'web' },
        { ...web, name: 'shop' },
      ],
    };
    expect(containerAt(renamed, 'web', web)?.name).toBe('shop');
    expect(containerAt({ ...renamed, containers: [other] }, 'web', web)).toBeUndefined();
  });

  test('a name that moves leaves the image that had it', () => {
    const lists: Lists = { images: [image('a', 'x:1', 'y:1'), image('b', 'z:1')], containers: [] };
    for (const kind of ['image.tagged', 'image.created'] as const) {
      const next = apply(lists, event(1, kind, 'b', image('b', 'x:1', 'z:1')));
      expect(next.images.map((i) => i.refs)).toEqual([['y:1'], ['x:1', 'z:1']]);
    }
    expect(apply(lists, event(1, 'image.untagged', 'b', image('b'))).images.map((i) => i.refs)).toEqual([
      ['x:1', 'y:1'],
      [],
    ]);
  });
  test('an answer that events have overtaken loses none of them', async () => {
    const answer: Lists = { images: [image('a')], containers: [container('old'), container('web')] };
    const heard = [
      event(5, 'container.deleted', 'old', null),
      event(6, 'container.renamed', 'web', container('web', { name: 'shop' })),
      event(7, 'container.created', 'new', container('new')),
      event(8, 'container.created', 'short', container('short')),
      event(9, 'container.deleted', 'short', null),
    ];
    const asked = new CatchUp<Lists, ApiEvent>(apply);
    const caughtUp = (lists: Lists) =>
      asked.ask(async () => {
        for (const e of heard) asked.hear(e);
        return lists;
      });
    const now = (await caughtUp(answer)) as Lists;
    expect(now.containers.map((c) => c.name)).toEqual(['new', 'shop']);
    // What the answer knew already does no harm.
    expect((await caughtUp(now))?.containers.map((c) => c.name)).toEqual(['new', 'shop']);
    expect([usersOf(now, { id: 'a' }), usersOf(now, { id: 'b' })]).toEqual([2, 0]);
  });
});

describe('names', () => {
  test.each([
    ['lab', true],
    ['lab:1', true],
    ['my/lab.v2_x--y:1.0-rc', true],
    ['localhost:5000/lab', true],
    ['registry.example.com:5000/a/b:tag', true],
    ['Registry.example.com/a', true],
    ['10.0.0.1:80/a', true],
    ['Lab', false],
    ['a/Lab:1', false],
    ['lab:', false],
    ['lab:-x', false],
    ['lab:a b', false],
    ['-lab', false],
    ['lab-', false],
    ['a..b', false],
    ['a//b', false],
    [':1', false],
    ['', false],
    [`lab:${'x'.repeat(129)}`, false],
    ['f'.repeat(64), false],
    ['lab@sha256:00', false],
  ])('of images: %s', (text, want) => expect(isReference(text)).toBe(want));
  test('have a tag', () =>
    expect(['a', 'a:1', 'localhost:5000/a', 'localhost:5000/a:1'].map(withTag)).toEqual([
      'a:latest',
      'a:1',
      'localhost:5000/a:latest',
      'localhost:5000/a:1',
    ]));
  test.each([
    ['web', true],
    ['a_b.c-d', true],
    ['x', false],
    ['_web', false],
    ['we b', false],
    ['', false],
  ])('of containers: %s', (text, want) => expect(isContainerName(text)).toBe(want));
});

describe('how a container fares', () => {
  const error = { code: 'x', args: {}, message: '', requestID: '' };
  test.each<[string, Partial<Container>, Fate['key'][]]>([
    ['a running one', {}, []],
    ['one that was started again', { restartCount: 3 }, ['restarts']],
    ['an end', { state: 'exited', exitCode: 0 }, ['well']],
    ['a failure', { state: 'exited', exitCode: 3 }, ['code']],
    ['a signal', { state: 'exited', exitCode: 137 }, ['signal']],
    ['no signal', { state: 'exited', exitCode: 255 }, ['code']],
    ['want of memory', { state: 'exited', exitCode: 137, oomKilled: true }, ['oom']],
    ['want of memory of a child', { state: 'exited', exitCode: 1, oomKilled: true }, ['oom', 'code']],
    ['no command', { state: 'exited', exitCode: 127, error }, ['notFound']],
    ['a command that said 127', { state: 'exited', exitCode: 127 }, ['code']],
    ['no program', { state: 'exited', exitCode: 126, error }, ['notExecutable']],
    ['no container', { state: 'exited', exitCode: 125, error }, ['notStarted']],
    [
      'a policy at work',
      { state: 'restarting', exitCode: 1, restartCount: 1 },
      ['code', 'restarts', 'waits'],
    ],
  ])('%s', (_, more, want) => expect(fates(container('c', more)).map((f) => f.key)).toEqual(want));
  test('a signal has its name', () =>
    expect(
      [137, 143, 128 + 40].map(
        (exitCode) => fates(container('c', { state: 'exited', exitCode }))[0].args.signal,
      ),
    ).toEqual(['SIGKILL', 'SIGTERM', 'SIG40']));
  test('a run takes its time', () => {
    expect(tookOf({ startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:01:05Z' })).toBe(65_000);
    expect(tookOf({ startedAt: '2026-01-01T00:00:00Z', finishedAt: null })).toBeNull();
    expect([400, 2500, 65_000, 7_300_000].map((x) => lasting(x, 'en-GB'))).toEqual([
      '0.4 seconds',
      '2.5 seconds',
      '1 minute',
      '2 hours',
    ]);
  });
});

describe('the request of docker’s further flags', () => {
  const ask = (more: Partial<RunFields>) => toRequest({ ...emptyRun('lab:1'), ...more });
  test('health, log, names, rights and ends', () =>
    expect(
      ask({
        healthCmd: 'test -f /well',
        healthInterval: '1m30s',
        healthTimeout: '500ms',
        healthStartPeriod: '2s',
        healthRetries: '2',
        logDriver: 'local',
        logOpts: ['max-size=10m', 'max-file=3', 'tag={{.Name}}'],
        shm: '64m',
        stopSignal: 'INT',
        stopTimeout: '0',
        network: 'front',
        aliases: ['db', 'store'],
        hosts: ['gw:10.0.0.1', 'six=::1'],
        ports: ['8080:80', '53/udp'],
        securityOpts: ['no-new-privileges'],
      }),
    ).toEqual({
      body: {
        image: 'lab:1',
        tty: true,
        health: {
          test: ['CMD-SHELL', 'test -f /well'],
          interval: 90e9,
          timeout: 5e8,
          startPeriod: 2e9,
          retries: 2,
        },
        log: { driver: 'local', maxSize: 10_000_000, maxFile: 3, tag: '{{.Name}}' },
        limits: { shm: 67108864 },
        security: { noNewPrivileges: true },
        stopSignal: 'INT',
        stopTimeout: 0,
        network: {
          mode: 'front',
          join: { front: { aliases: ['db', 'store'] } },
          publish: [
            { proto: 'tcp', port: 80, first: 8080, last: 8080 },
            { proto: 'udp', port: 53 },
          ],
          exposed: ['53/udp', '80/tcp'],
          extraHosts: ['gw:10.0.0.1', 'six:::1'],
        },
      },
    }));
  test('no check at all', () => {
    expect(ask({ noHealth: true })).toMatchObject({ body: { health: { test: ['NONE'] } } });
    expect(ask({ noHealth: true, healthRetries: '2' })).toMatchObject({
      problems: [{ field: 'healthCmd' }],
    });
  });
  test('says which fields cannot be meant', () =>
    expect(
      ask({
        healthInterval: '30',
        healthRetries: '0',
        stopTimeout: 'soon',
        logDriver: 'syslog',
        logOpts: ['max-size=much', 'colour=red', 'max-file'],
        aliases: ['db'],
        hosts: ['nowhere'],
        securityOpts: ['apparmor=x'],
      }),
    ).toEqual({
      problems: [
        { field: 'securityOpts', value: 'apparmor=x' },
        { field: 'stopTimeout', value: 'soon' },
        { field: 'healthInterval', value: '30' },
        { field: 'healthRetries', value: '0' },
        { field: 'logDriver', value: 'syslog' },
        { field: 'logOpts', value: 'max-size=much' },
        { field: 'logOpts', value: 'colour=red' },
        { field: 'logOpts', value: 'max-file' },
        { field: 'hosts', value: 'nowhere' },
        { field: 'aliases', value: 'db' },
      ],
    }));
  test.each([
    ['1s', 1e9],
    ['1h0m5s', 3605e9],
    ['1.5s', 1.5e9],
    ['1ms', 1e6],
    ['1us', null],
    ['0s', null],
    ['s', null],
    ['-1s', null],
  ])('time %s', (text, want) => expect(nanosecondsOf(text)).toBe(want));
});
