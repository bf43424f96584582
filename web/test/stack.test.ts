import { expect, test } from 'vitest';
import { thickness } from '../src/core/layers.ts';
import { formatRoute, parseRoute, top } from '../src/core/route.ts';
import { boxOf, deedOf, isDockerfile, remember, tied } from '../src/core/stack.ts';
import type { Activity, ReportLine } from '../src/core/wire.ts';

const activity = (id: number, verb: string, container: string): Activity => ({
  id,
  time: '',
  took: 0,
  done: true,
  by: 'docker',
  client: '',
  verb,
  method: 'POST',
  path: '',
  status: 200,
  error: '',
  reads: false,
  containers: [{ id: container, name: container }],
  images: [],
  mounts: [],
  notes: [],
  events: [],
  steps: 0,
  calls: 0,
});

test('a box stands around what runs, and stands still around what is paused', () => {
  expect(
    ['created', 'running', 'paused', 'restarting', 'exited'].map((state) =>
      boxOf({ state: state as 'created' }),
    ),
  ).toEqual(['none', 'runs', 'frozen', 'runs', 'none']);
});

test('the newest deed of each container is remembered, what shows nothing is not', () => {
  let lately = remember(new Map(), activity(2, 'container pause', 'a'));
  lately = remember(lately, activity(1, 'start', 'a'));
  lately = remember(lately, activity(3, 'ps', 'a'));
  lately = remember(lately, activity(4, 'exec', 'b'));
  expect([...lately].map(([id, a]) => [id, deedOf(a)])).toEqual([
    ['a', 'pause'],
    ['b', 'exec'],
  ]);
});

test('an exec is no start of the container, and the end of a recording not its end', () => {
  const deeds = ['exec start', 'exec inspect', 'record stop', 'share rm', 'container stop', 'image save'];
  expect(deeds.map((verb) => deedOf(activity(1, verb, 'a')))).toEqual([
    'exec',
    null,
    null,
    null,
    'stop',
    'save',
  ]);
});

test('lines are tied to their layers, and pass with the slider', () => {
  const lines: ReportLine[] = [
    { number: 1, instruction: 'FROM', text: 'FROM golang AS build', note: 'other-stage' },
    { number: 3, instruction: 'FROM', text: 'FROM alpine', note: 'base', layer: 0 },
    { number: 4, instruction: 'ENV', text: 'ENV A=b', history: 1 },
    { number: 5, instruction: 'RUN', text: 'RUN make', history: 2, layer: 1 },
    { number: 6, instruction: 'CMD', text: 'CMD sh', history: 3 },
    { number: 7, instruction: 'RUN', text: 'RUN forgotten', note: 'not-built' },
  ];
  expect(tied(lines, 0).map((x) => `${x.tie} ${x.applied}`)).toEqual([
    'none false',
    'base true',
    'metadata true',
    'made false',
    'metadata false',
    'none false',
  ]);
});

test('a file is known for a Dockerfile by its name', () => {
  for (const name of [
    'Dockerfile',
    'dockerfile',
    'Containerfile',
    'Dockerfile.dev',
    'app.dockerfile',
    'web-Dockerfile',
  ])
    expect(isDockerfile(name, 100), name).toBe(true);
  for (const name of ['image.tar', 'mydockerfiles.tar.gz', 'Dockerfiles', 'x'])
    expect(isDockerfile(name, 100), name).toBe(false);
  expect(isDockerfile('Dockerfile', 2 ** 21)).toBe(false);
});

test('a slab is as thick as its bytes or their logarithm', () => {
  expect(thickness(500, 1000, 'bytes')).toBe(0.5);
  expect(thickness(500_000, 1_000_000)).toBeGreaterThan(0.8);
  expect(thickness(0, 10, 'bytes')).toBe(0);
});

test('the inside of a container, the scale and the Dockerfile are in the address', () => {
  const route = {
    view: 'inside',
    id: 'web',
    look: { ...top, lines: true, scale: 'bytes', path: 'etc/x' },
    tab: 'diff',
  } as const;
  const text = formatRoute(route);
  expect(text).toBe('#/containers/web/inside/diff?path=etc%2Fx&scale=bytes&dockerfile');
  expect(parseRoute(text)).toEqual(route);
  expect(parseRoute('#/containers/web')).toEqual({ view: 'container', id: 'web' });
});
