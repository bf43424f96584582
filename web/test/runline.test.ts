import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { joinWords, splitWords } from '../src/core/command.ts';
import { emptyRun, fromLine, type RunFields, toLine } from '../src/core/runline.ts';
import { bytesOf, portsOf, toRequest } from '../src/core/runrequest.ts';

const read = (line: string): RunFields => {
  const got = fromLine(line);
  if ('problem' in got) throw new Error(`${got.problem.code} ${got.problem.flag}`);
  return got.fields;
};

describe('a docker run line', () => {
  test('of a container with everything', () => {
    const f: RunFields = {
      ...emptyRun('lab:1'),
      command: ['sh', '-c', 'echo "it\'s $HOME"'],
      name: 'web',
      rm: true,
      env: ['A=1', 'B=two words'],
      ports: ['127.0.0.1:8080:80/tcp'],
      volumes: ['data:/var/lib:ro'],
      network: 'front',
      memory: '256m',
      capDrop: ['ALL'],
      restart: 'on-failure:3',
      runtime: 'runc',
      entrypoint: ['/bin/tini', '--'],
    };
    expect(toLine(f)).toBe(
      "docker run -dit --rm --name web --network front --memory 256m --restart on-failure:3 --runtime runc --env A=1 --env 'B=two words' " +
        '--publish 127.0.0.1:8080:80/tcp --volume data:/var/lib:ro --cap-drop ALL --entrypoint /bin/tini lab:1 -- sh -c ' +
        `'echo "it'\\''s $HOME"'`,
    );
  });
  test('as people paste it', () => {
    const f = read(`$ sudo docker container run -itd --rm=false \\
      -p8080:80 -p 53:53/udp -e "GREETING=hello you" --net=front \\
      --mount type=bind,src=/srv,dst=/srv,readonly --mount type=tmpfs,target=/run,tmpfs-size=64m \\
      -v cache:/cache -u 1000:1000 --entrypoint '' lab:1 sh -c 'exit 3'`);
    expect(f).toMatchObject({
      image: 'lab:1',
      tty: true,
      rm: false,
      ports: ['8080:80', '53:53/udp'],
      env: ['GREETING=hello you'],
      network: 'front',
      volumes: ['/srv:/srv:ro', 'cache:/cache'],
      tmpfs: ['/run:size=64m'],
      user: '1000:1000',
      entrypoint: [],
      command: ['sh', '-c', 'exit 3'],
    });
  });
  test.each([
    ['docker ps', 'no-run', ''],
    ['docker run -it', 'no-image', ''],
    ['docker run --gpus all lab', 'flag-unknown', '--gpus'],
    ['docker run -x lab', 'flag-unknown', '-x'],
    ['docker run --rm=perhaps lab', 'flag-value', '--rm'],
    ['docker run --name', 'flag-value', '--name'],
    ['docker run -e HOME lab', 'env-unset', 'HOME'],
    ["docker run lab sh -c 'exit", 'quote-open', ''],
    ['docker run --mount type=bind,target=/x lab', 'mount', 'type=bind,target=/x'],
    [
      'docker run --mount type=volume,target=/x,volume-driver=nfs lab',
      'mount',
      'type=volume,target=/x,volume-driver=nfs',
    ],
  ])('that is refused: %s', (line, code, flag) =>
    expect(fromLine(line)).toEqual({ problem: { code, flag } }),
  );

  test('comes back as it was, whatever the fields hold', () => {
    let seed = 7;
    const random = (n: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % n;
    };
    const pieces = ["'", '"', '\\', '$x', '`id`', ' ', '\n', '&&', '*', 'ä', '中', 'a', '=', ';', '~'];
    const word = () => `w${Array.from({ length: random(6) }, () => pieces[random(pieces.length)]).join('')}`;
    const words = () => Array.from({ length: random(4) }, word);
    for (let i = 0; i < 500; i++) {
      const f: RunFields = {
        ...emptyRun(word()),
        command: words(),
        entrypoint: random(3) === 0 ? [word()] : null,
        name: random(2) ? word() : '',
        tty: random(2) === 0,
        rm: random(2) === 0,
        readOnly: random(2) === 0,
        env: words().map((w) => `K=${w}`),
        labels: words(),
        volumes: words(),
        memory: random(2) ? '64m' : '',
      };
      expect(read(toLine(f))).toEqual(f);
    }
  });

  test('means the same to a shell', () => {
    const nasty = ["it's", '"q"', '$HOME', '`id`', 'a\\b', '*', 'two words', '', 'ä 中', 'x\ny', '!!', '~'];
    const out = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${joinWords(nasty)}`]).toString();
    expect(out.split('\0').slice(0, -1)).toEqual(nasty);
    expect(splitWords(joinWords(nasty))).toEqual(nasty);
  });
});

describe('the request', () => {
  const ask = (more: Partial<RunFields>) => toRequest({ ...emptyRun('lab:1'), ...more });
  test('of nothing but an image is nothing but an image', () =>
    expect(ask({})).toEqual({ body: { image: 'lab:1', tty: true } }));
  test('of everything', () =>
    expect(
      ask({
        command: ['x'],
        entrypoint: [],
        name: 'n',
        rm: true,
        init: true,
        env: ['A=1'],
        volumes: ['data:/d:ro', '/srv:/s', '/anon'],
        tmpfs: ['/run:size=1m,exec'],
        memory: '1.5g',
        cpus: '.5',
        pids: '-1',
        readOnly: true,
        privileged: true,
        capAdd: ['NET_ADMIN', 'cap_chown', 'all'],
        restart: 'on-failure:3',
        ports: ['8080:80'],
        network: 'front',
        labels: ['a=b=c', 'd'],
      }),
    ).toEqual({
      body: {
        image: 'lab:1',
        tty: true,
        command: ['x'],
        entrypoint: [''],
        name: 'n',
        autoRemove: true,
        init: true,
        env: ['A=1'],
        mounts: [
          { type: 'volume', source: 'data', target: '/d', readOnly: true },
          { type: 'bind', source: '/srv', target: '/s', makeSource: true },
          { type: 'volume', target: '/anon' },
          { type: 'tmpfs', target: '/run', options: ['size=1m', 'exec'] },
        ],
        limits: { memory: 1610612736, nanoCPUs: 5e8, pids: -1 },
        security: { capAdd: ['CAP_NET_ADMIN', 'CAP_CHOWN', 'ALL'], readOnlyRoot: true, privileged: true },
        restart: { name: 'on-failure', max: 3 },
        network: {
          mode: 'front',
          publish: [{ proto: 'tcp', port: 80, first: 8080, last: 8080 }],
          exposed: ['80/tcp'],
        },
        labels: { a: 'b=c', d: '' },
      },
    }));
  test('says which fields cannot be meant', () =>
    expect(
      ask({
        env: ['HOME'],
        ports: ['http'],
        memory: 'much',
        cpus: '0',
        pids: '0',
        restart: 'always:3',
        volumes: ['a:b', '/x:/y:zz'],
      }),
    ).toEqual({
      problems: [
        { field: 'env', value: 'HOME' },
        { field: 'volumes', value: 'a:b' },
        { field: 'volumes', value: '/x:/y:zz' },
        { field: 'memory', value: 'much' },
        { field: 'cpus', value: '0' },
        { field: 'pids', value: '0' },
        { field: 'restart', value: 'always:3' },
        { field: 'ports', value: 'http' },
      ],
    }));
  test.each([
    ['80', [{ proto: 'tcp', port: 80 }]],
    ['8080:80/udp', [{ proto: 'udp', port: 80, first: 8080, last: 8080 }]],
    ['127.0.0.1:8080:80', [{ proto: 'tcp', port: 80, host: '127.0.0.1', first: 8080, last: 8080 }]],
    ['127.0.0.1::80', [{ proto: 'tcp', port: 80, host: '127.0.0.1' }]],
    ['[::1]:53:53/udp', [{ proto: 'udp', port: 53, host: '::1', first: 53, last: 53 }]],
    ['8000-8010:80', [{ proto: 'tcp', port: 80, first: 8000, last: 8010 }]],
    [
      '8000-8001:80-81',
      [
        { proto: 'tcp', port: 80, first: 8000, last: 8000 },
        { proto: 'tcp', port: 81, first: 8001, last: 8001 },
      ],
    ],
    ['8000-8002:80-81', null],
    ['0', null],
    ['80/sctp', null],
    ['70000:80', null],
    ['x:80', null],
  ])('port %s', (text, want) => expect(portsOf(text)).toEqual(want));
  test.each([
    ['64m', 67108864],
    ['1k', 1024],
    ['10', 10],
    ['1GiB', 1073741824],
    ['0', null],
    ['m', null],
    ['-1m', null],
  ])('memory %s', (text, want) => expect(bytesOf(text)).toBe(want));
});
