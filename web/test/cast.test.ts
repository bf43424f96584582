import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bytesOf, momentsOf, parseMarker } from '../src/core/cast/layer.ts';
import { CastProblem, castLimits, looksLikeCast, parseCast } from '../src/core/cast/parse.ts';
import { clock, neighbour, strokes, upTo } from '../src/core/cast/playback.ts';
import { type Happening, happened } from '../src/core/microscope.ts';
import type { Change } from '../src/core/wire.ts';

const head = '{"version":2,"width":80,"height":24,"timestamp":1504467315,"title":"demo"}\n';
const problem = (text: string, limits = castLimits) => {
  try {
    parseCast(text, limits);
  } catch (cause) {
    return cause instanceof CastProblem ? `${cause.code} ${cause.args.line}` : String(cause);
  }
  return '';
};

test('what happened in a layer is told by the page as by the server', () => {
  const url = new URL('../../server/recording/testdata/happened.json', import.meta.url);
  const cases = JSON.parse(readFileSync(url, 'utf8')) as {
    name: string;
    truncated?: boolean;
    before: Change[];
    after: Change[];
    happened: Happening[];
  }[];
  expect(cases.length).toBeGreaterThanOrEqual(3);
  for (const c of cases) {
    const look = (changes: Change[], truncated = false) => ({ changes, bytes: 0, copiedUp: 0, truncated });
    expect(happened(look(c.before), look(c.after, c.truncated)), c.name).toEqual(c.happened);
  }
});

describe('an asciicast', () => {
  test('is read with its header, output, sizes and markers; input is left out', () => {
    const text = `${head}[0.5,"o","a"]\n[0.75,"i","secret"]\n\n[1,"r","100x30"]\r\n[2.5,"m","layer\\n+5 new /x"]\n[2.4,"o","b"]\n[9,"x","?"]\n`;
    expect(parseCast(text)).toEqual({
      cols: 80,
      rows: 24,
      title: 'demo',
      began: 1504467315,
      seconds: 9,
      events: [
        { at: 0.5, code: 'o', data: 'a' },
        { at: 1, code: 'r', data: '100x30' },
        { at: 2.5, code: 'm', data: 'layer\n+5 new /x' },
        { at: 2.5, code: 'o', data: 'b' },
      ],
    });
  });

  test('that still grows is read as far as it is whole', () => {
    expect(parseCast(`${head}[0,"o","a"]\n[1,"o","b`).events).toHaveLength(1);
    expect(parseCast(`${head}[0,"o","a"]\n[1,"o","b"]`).events).toHaveLength(2);
  });

  test('is known by its first line', () => {
    expect(looksLikeCast(head)).toBe(true);
    expect(looksLikeCast('{"width": 80, "version": 2}')).toBe(true);
    expect(looksLikeCast('{"version":1,"width":80}')).toBe(false);
    expect(looksLikeCast('{"schemaVersion":2}')).toBe(false);
  });

  test.each([
    ['', 'cast-malformed 1'],
    ['[]\n', 'cast-version 1'],
    ['{"version":3,"width":80,"height":24}\n', 'cast-version 1'],
    ['{"version":2,"width":80}\n', 'cast-size 1'],
    ['{"version":2,"width":1e9,"height":24}\n', 'cast-size 1'],
    ['{"version":2,"width":8.5,"height":24}\n', 'cast-size 1'],
    [`${head}no\n`, 'cast-malformed 2'],
    [`${head}[0,"o","a"]\n[1,"o",7]\n`, 'cast-malformed 3'],
    [`${head}[-1,"o","a"]\n`, 'cast-malformed 2'],
    [`${head}[1e300,"o","a"]\n`, 'cast-malformed 2'],
    [`${head}[0,"r","1000000x9"]\n`, 'cast-malformed 2'],
    [`${head}${'['.repeat(100_000)}\n`, 'cast-malformed 2'],
  ])('%# that is none is refused with its line', (text, want) => expect(problem(text)).toBe(want));

  test('takes no more than the limits', () => {
    const limits = { ...castLimits, bytes: 200, events: 2 };
    expect(problem(head + 'x'.repeat(200), limits)).toBe('cast-too-large 1');
    expect(problem(`${head}${'[0,"o","a"]\n'.repeat(3)}`, limits)).toBe('cast-too-many 4');
  });

  test('never throws anything else, whatever the bytes', () => {
    const whole = `${head}[0.5,"o","a\\u001b[1m"]\n[1,"r","100x30"]\n[2,"m","layer\\n+5 new /x"]\n`;
    let state = 7;
    const random = (n: number) => {
      state = (state * 1103515245 + 12345) & 0x7fffffff;
      return state % n;
    };
    for (let i = 0; i < 5000; i++) {
      const bytes = [...whole];
      for (let n = random(4); n >= 0; n--)
        bytes.splice(random(bytes.length), random(3), String.fromCharCode(random(128)));
      const said = problem(bytes.join(''));
      expect(said === '' || said.startsWith('cast-'), said).toBe(true);
    }
  });
});

describe('markers', () => {
  test('of the layer give back what happened', () => {
    const label =
      'layer\n+1204 copy-up /etc/passwd\n+5 new /a b%0A\tsh 7\n-3 whiteout /gone\n+90210 more 1800';
    expect(parseMarker(1.5, label)).toEqual({
      at: 1.5,
      more: 1800,
      moreBytes: 90210,
      happenings: [
        { kind: 'copy-up', path: 'etc/passwd', bytes: 1204 },
        { kind: 'new', path: 'a b%0A', bytes: 5, by: { host: 0, inside: 7, name: 'sh' } },
        { kind: 'whiteout', path: 'gone', bytes: -3 },
      ],
    });
  });

  test.each(['chapter 1', 'layers\n+1 new /x', 'layer\nnonsense', 'layer\n+1 born /x'])(
    'of others are left alone: %j',
    (label) => expect(parseMarker(0, label)).toBeNull(),
  );

  test('add up', () => {
    const cast = parseCast(
      `${head}[0,"m","layer\\n+5 new /x"]\n[1,"m","chapter"]\n[2,"m","layer\\n-5 undone /x\\n+7 more 2"]\n`,
    );
    expect(momentsOf(cast).map((m) => m.at)).toEqual([0, 2]);
    expect(bytesOf(momentsOf(cast))).toBe(7);
  });
});

describe('playing', () => {
  const cast = parseCast(
    `${head}[0,"o","a"]\n[1,"o","b"]\n[1,"m","x"]\n[1,"o","c"]\n[2,"r","10x5"]\n[3,"o","d"]\n`,
  );
  test('gives the screen what it lacks, output in one piece', () => {
    expect(upTo(cast.events, 1)).toBe(4);
    expect(upTo(cast.events, -1)).toBe(0);
    expect(strokes(cast, 0, 6)).toEqual([{ write: 'abc' }, { cols: 10, rows: 5 }, { write: 'd' }]);
    expect(strokes(cast, 1, 2)).toEqual([{ write: 'b' }]);
  });
  test('steps to the next event and to the one before', () => {
    const list = [{ at: 1 }, { at: 2 }, { at: 2 }];
    expect(neighbour(list, 0, true)).toBe(1);
    expect(neighbour(list, 1, true)).toBe(2);
    expect(neighbour(list, 2, true)).toBeNull();
    expect(neighbour(list, 2, false)).toBe(1);
    expect(neighbour(list, 1, false)).toBeNull();
  });
  test('reads as a clock', () =>
    expect([0, 7.9, 62, 3723].map(clock)).toEqual(['0:00', '0:07', '1:02', '1:02:03']));
});
