import { expect, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import type { Logger } from '../../daemon/logger.ts';
import { logTroubles } from '../../daemon/view-log.ts';
import { silentObserver, type ViewObserver } from '../../materializer/apply/observer.ts';

type Line = readonly [level: string, about: Record<string, unknown>, message: string];

/** An observer whose log lines and passed calls are kept; `pass` lets the quiet time go by. */
function observed() {
  const lines: Line[] = [];
  const passed: string[] = [];
  const timers: (() => void)[] = [];
  const write = (level: string) => (about: Record<string, unknown>, message: string) =>
    void lines.push([level, about, message]);
  const observer: ViewObserver = {
    ...silentObserver,
    deadLettered: ({ offset }) => void passed.push(`letter ${offset}`),
    retrying: ({ code }) => void passed.push(code),
    recovered: () => void passed.push('recovered'),
  };
  const observe = logTroubles(observer, {
    logger: { info: write('info'), warn: write('warn') } as unknown as Logger,
    view: 'card',
    generation: 2,
    quiet: (then) => void timers.push(then),
  });
  const pass = () => {
    for (const then of timers.splice(0)) then();
  };
  return { observe, lines, passed, pass };
}

const error = (code: 'RECORD_UNDECODABLE' | 'RECORD_UNCONVERTIBLE' | 'STORE_UNREACHABLE' | 'LOG_TOPIC') =>
  new InsideoutError(code, `It is ${code}.`, { hint: 'Mend it.' });
const letter = (offset: number, code: Parameters<typeof error>[0] = 'RECORD_UNCONVERTIBLE') => ({
  topic: 'shop.public.t',
  partition: 3,
  offset,
  error: error(code),
});

test('the first dead letter of each code is told with its place and mend, those that follow once a minute by number', () => {
  const { observe, lines, passed, pass } = observed();
  for (const offset of [5, 6, 7]) observe.deadLettered(letter(offset));
  observe.deadLettered(letter(8, 'RECORD_UNDECODABLE'));
  const about = { view: 'card', generation: 2, code: 'RECORD_UNCONVERTIBLE', mend: 'Mend it.' };
  const first = { ...about, topic: 'shop.public.t', partition: 3 };
  const told = 'A record became a dead letter: It is RECORD_UNCONVERTIBLE.';
  expect(lines).toEqual([
    ['warn', { ...first, offset: 5 }, told],
    [
      'warn',
      { ...first, offset: 8, code: 'RECORD_UNDECODABLE' },
      'A record became a dead letter: It is RECORD_UNDECODABLE.',
    ],
  ]);
  expect(passed).toEqual(['letter 5', 'letter 6', 'letter 7', 'letter 8']);

  pass();
  expect(lines.slice(2)).toEqual([['warn', { ...about, letters: 2 }, '2 more dead letters of this kind']]);
  // After a minute without any, the next one is told with its place again.
  pass();
  observe.deadLettered(letter(9));
  expect(lines.slice(3)).toEqual([['warn', { ...first, offset: 9 }, told]]);
});

test('what is waited for is told once, and when it is there; a topic that is yet to come is no warning', () => {
  const { observe, lines, passed } = observed();
  observe.recovered();
  observe.retrying(error('STORE_UNREACHABLE'));
  observe.retrying(error('STORE_UNREACHABLE'));
  observe.recovered();
  observe.retrying(error('LOG_TOPIC'));
  const about = { view: 'card', generation: 2 };
  expect(lines).toEqual([
    ['warn', { ...about, code: 'STORE_UNREACHABLE', mend: 'Mend it.' }, 'It is STORE_UNREACHABLE.'],
    ['info', about, 'what was waited for is there'],
    ['info', { ...about, code: 'LOG_TOPIC', mend: 'Mend it.' }, 'It is LOG_TOPIC.'],
  ]);
  expect(passed).toEqual(['recovered', 'STORE_UNREACHABLE', 'STORE_UNREACHABLE', 'recovered', 'LOG_TOPIC']);
});

test('columns that the records do not have are named with the mend', () => {
  const { observe, lines } = observed();
  observe.lacking({ topic: 'shop.public.t', columns: ['nmae', 'agee'] });
  expect(lines).toEqual([
    [
      'warn',
      {
        view: 'card',
        generation: 2,
        topic: 'shop.public.t',
        columns: ['nmae', 'agee'],
        mend: expect.stringContaining('misspelled'),
      },
      'Records of shop.public.t lack "nmae", "agee", which the view reads as null',
    ],
  ]);
});
