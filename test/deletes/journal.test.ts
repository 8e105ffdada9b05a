import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { certificateHash, chainProblems, signCertificate } from '../../deletes/certificate.ts';
import { ErasureGuard } from '../../deletes/guard.ts';
import {
  type ErasureHappening,
  emptyJournal,
  type Journal,
  type JournalState,
  type NotedRows,
  openJournal,
} from '../../deletes/journal.ts';
import { fold, refusal } from '../../deletes/journal-fold.ts';
import { keepJournal } from '../../deletes/kept-journal.ts';
import { KeyHasher } from '../../deletes/key-hash.ts';
import { temporaryLog } from '../support/capture.ts';
import { folded as foldHappenings, type Happening, requested } from './happenings.ts';

const hasher = new KeyHasher(Buffer.from('secret'));
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const hash = (id: number) => hasher.key('t', { id });

const keysOf = (...ids: number[]) => [{ topic: 't', hashes: ids.map(hash) }];
const rowsOf = (...ids: number[]): NotedRows[] => [
  { table: 'public.t', topic: 't', hashes: ids.map(hash), overwritten: 0 },
];
/** A transaction that deletes these rows, and writes the barrier. */
const found = (erasure: string, barrier = 'b1', rows = rowsOf(1)): ErasureHappening => ({
  type: 'found',
  erasure,
  rows,
  round: { transaction: `t ${barrier}`, barrier },
});
const deleted = (erasure: string, barrier = 'b1'): ErasureHappening => ({
  type: 'deleted',
  erasure,
  barrier,
});
const undone = (erasure: string, barrier = 'b1'): ErasureHappening => ({ type: 'undone', erasure, barrier });
/** Rows that the application is to delete. */
const noted = (erasure: string, ...ids: number[]): ErasureHappening => ({
  type: 'found',
  erasure,
  rows: rowsOf(...ids),
});
/** They are gone, those that are kept left out. */
const gone =
  (erasure: string, barrier: string, ...kept: number[]) =>
  (state: JournalState): ErasureHappening => ({
    type: 'deleted',
    erasure,
    barrier,
    tracked: { last: state.erasures.get(erasure)?.tracked?.last ?? '', kept: keysOf(...kept) },
  });
const passed = (erasure: string, barrier: string | null = 'b1', end = 9): ErasureHappening => ({
  type: 'passed',
  erasure,
  barrier,
  ends: { 't/0': end },
});
const looked = (erasure: string): ErasureHappening => ({ type: 'looked', erasure, places: [] });
function completed(erasure: string, { state }: Pick<Journal, 'state'>): ErasureHappening {
  const last = state.chain.at(-1);
  const certificate = signCertificate(
    {
      version: 1,
      number: state.chain.length + 1,
      erasure,
      subject: 'customer',
      subjectHash: 'h',
      requestedAt: '',
      completedAt: '',
      by: '',
      rows: {},
      places: [],
      previous: last ? certificateHash(last) : null,
    },
    privateKey,
  );
  return { type: 'completed', erasure, certificate };
}

/** As `folded` of happenings, where the certificate of `e` may be one. */
const folded = (...happenings: readonly (Happening | 'completed')[]) =>
  foldHappenings(
    ...happenings.map((one): Happening => (one === 'completed' ? (state) => completed('e', { state }) : one)),
  );

test('an erasure goes from requested over found, deleted and passed to completed', () => {
  const steps = [requested('e'), found('e'), deleted('e'), passed('e'), 'completed'] as const;
  const phases = steps.map((_, i) => folded(...steps.slice(0, i + 1)).erasure?.phase);
  expect(phases).toEqual(['requested', 'found', 'deleted', 'passed', 'completed']);
  expect(folded(...steps).erasure).toMatchObject({
    rows: { 'public.t': 1 },
    keys: keysOf(1),
    ends: new Map([['t/0', 9]]),
  });
});

/** An erasure whose rows are deleted. */
const erased = [requested('e'), found('e'), deleted('e')] as const;

test.each<[string, readonly (Happening | 'completed')[]]>([
  ['nothing is completed before it has passed', [requested('e'), found('e'), 'completed']],
  ['nothing is looked at before it has passed', [...erased, looked('e')]],
  ['nothing passes before anything is deleted', [requested('e'), found('e'), passed('e', null)]],
  ['nothing passes twice', [...erased, passed('e'), passed('e')]],
  ['it passes behind its own barrier only', [...erased, passed('e', 'b0')]],
  ['nothing is deleted by a transaction that nobody wrote down', [requested('e'), deleted('e')]],
  ['a transaction is committed once', [...erased, deleted('e')]],
  ['what is committed is not undone', [...erased, undone('e')]],
  ['what is undone is not committed', [requested('e'), found('e'), undone('e'), deleted('e')]],
  ['a transaction that has ended is not written down again', [...erased, found('e')]],
  ['what was tracked is settled once', [requested('e'), noted('e', 1), gone('e', 'b1'), gone('e', 'b2')]],
  [
    'what was tracked is not settled by who has not seen all of it',
    [
      requested('e'),
      noted('e', 1),
      noted('e', 2),
      { type: 'deleted', erasure: 'e', barrier: 'b1', tracked: { last: 'of the first', kept: [] } },
    ],
  ],
  [
    'nothing is looked at while a transaction that deletes is open',
    [...erased, passed('e'), found('e', 'b2'), looked('e')],
  ],
  ['nothing is completed while one is open', [...erased, passed('e'), found('e', 'b2'), 'completed']],
  [
    'nothing is completed while the application is to delete rows',
    [...erased, passed('e'), noted('e', 2), 'completed'],
  ],
  ['nothing is looked at behind the certificate', [...erased, passed('e'), 'completed', looked('e')]],
  ['nothing is found behind the certificate', [...erased, passed('e'), 'completed', found('e', 'b2')]],
  ['nothing is deleted behind the certificate', [...erased, passed('e'), 'completed', deleted('e')]],
  ['no second certificate', [...erased, passed('e'), 'completed', 'completed']],
  ['it is not requested twice', [requested('e'), requested('e')]],
  ['nothing is known of another', [found('other')]],
  ['it is lifted once', [requested('e'), { type: 'lifted', erasure: 'e' }, { type: 'lifted', erasure: 'e' }]],
])('%s', (_claim, happenings) => {
  const { refused, state } = folded(...happenings);
  expect(refused).toHaveLength(1);
  expect(state.erasures.get('e')).toEqual(folded(...happenings.slice(0, -1)).state.erasures.get('e'));
});

test('what is deleted once more must be passed once more, and its rows are added', () => {
  const { erasure } = folded(...erased, passed('e'), found('e', 'b2', rowsOf(1, 2)), deleted('e', 'b2'));
  expect(erasure).toMatchObject({
    phase: 'deleted',
    barrier: 'b2',
    rows: { 'public.t': 3 },
    keys: keysOf(1, 2),
  });
});

test('rows that are only overwritten are counted once, however often', () => {
  const rows = ['t.p1', 't.p2'].map((topic) => ({ table: 'public.t', topic, hashes: [], overwritten: 2 }));
  const { erasure } = folded(
    requested('e'),
    found('e', 'b1', rows),
    deleted('e', 'b1'),
    found('e', 'b2', rows),
    deleted('e', 'b2'),
  );
  expect(erasure?.rows).toEqual({ 'public.t': 4 });
  expect(erasure?.keys).toEqual(['t.p1', 't.p2'].map((topic) => ({ topic, hashes: [] })));
});

test('of a transaction that was not committed nothing is left, and the erasure is where it was', () => {
  expect(folded(requested('e'), found('e'), undone('e')).erasure).toMatchObject({
    phase: 'requested',
    rounds: [],
    rows: {},
    keys: [],
  });
  const both = folded(requested('e'), found('e'), found('e', 'b2', rowsOf(2)), undone('e'));
  expect(both.erasure).toMatchObject({ phase: 'found', keys: [] });
  const again = folded(...erased, passed('e'), found('e', 'b2', rowsOf(2)), undone('e', 'b2'), looked('e'));
  expect(again.refused).toEqual([]);
  expect(again.erasure).toMatchObject({ phase: 'passed', barrier: 'b1', keys: keysOf(1) });
});

test('what the application keeps for somebody else is not erased', () => {
  const { erasure } = folded(requested('e'), noted('e', 1, 2), noted('e', 3), gone('e', 'b1', 2));
  expect(erasure).toMatchObject({
    phase: 'deleted',
    barrier: 'b1',
    tracked: null,
    rows: { 'public.t': 2 },
    keys: keysOf(1, 3),
  });
  // Former records of the row that was given away are still to be looked for.
  expect(folded(requested('e'), noted('e', 1), gone('e', 'b1', 1)).erasure).toMatchObject({
    rows: {},
    keys: keysOf(),
  });
});

test('what was tracked and is deleted by a transaction is counted once, and the rest is still to be settled', () => {
  const begun = [requested('e'), noted('e', 1, 2), found('e', 'b1', rowsOf(2, 3)), deleted('e')] as const;
  expect(folded(...begun).erasure).toMatchObject({
    phase: 'deleted',
    rows: { 'public.t': 2 },
    tracked: { rows: rowsOf(1) },
  });
  expect(folded(...begun, gone('e', 'b2')).erasure).toMatchObject({
    rows: { 'public.t': 3 },
    keys: keysOf(2, 3, 1),
    tracked: null,
  });
  const all = folded(requested('e'), noted('e', 1), found('e', 'b1', rowsOf(1)), deleted('e'));
  expect(all.erasure).toMatchObject({ tracked: null, rows: { 'public.t': 1 } });
});

test('that a value was seen somewhere is known until a process that knows the values sees it no more', () => {
  const place = { kind: 'topic', name: 't', state: 'applied', reason: '', at: 1, read: 1 } as const;
  const look = (more: object, by: object = {}): ErasureHappening => ({
    type: 'looked',
    erasure: 'e',
    places: [{ ...place, ...more }],
    ...by,
  });
  const valued = { valued: true };
  const seen = look({ valueSeenAt: 7 }, valued);
  const after = (...looks: ErasureHappening[]) => [
    ...folded(...erased, passed('e'), ...looks).erasure!.valuesSeen,
  ];
  expect(after(look({}, valued))).toEqual([]);
  expect(after(seen)).toEqual([['topic t', 7]]);
  expect(after(seen, look({ state: 'verified' }))).toEqual([['topic t', 7]]);
  expect(after(seen, look({ name: 'u' }, valued))).toEqual([['topic t', 7]]);
  expect(after(seen, look({ state: 'pending' }, valued))).toEqual([['topic t', 7]]);
  expect(after(seen, look({ state: 'verified' }, valued))).toEqual([]);
});

test('the keys of former erasures are known from the beginning, and are no rows of this one', () => {
  const { erasure } = folded({ ...requested('e'), keys: keysOf(7) } as ErasureHappening);
  expect(erasure).toMatchObject({ phase: 'requested', rows: {}, keys: keysOf(7) });
});

test('the key of a topic needs no transaction: it is deleted whatever happens', () => {
  const topic = { ...requested('e'), kind: 'topic', subject: 't', source: null } as ErasureHappening;
  const steps = [topic, { type: 'found', erasure: 'e', rows: rowsOf(1) }, passed('e', null)] as const;
  const known = folded(...(steps as readonly ErasureHappening[]), looked('e'));
  expect(known.refused).toEqual([]);
  expect(known.erasure).toMatchObject({ phase: 'passed', rows: { t: 1 }, keys: keysOf(1) });
});

const guardOf = (known: { state: ReturnType<typeof emptyJournal> }) =>
  new ErasureGuard(
    () => known.state,
    () => hasher,
  );

test('rows are kept out once their deletes are committed, and not before, and no more once lifted', () => {
  const out = (...happenings: (Happening | 'completed')[]) => {
    const { state } = folded(...happenings);
    const guard = new ErasureGuard(
      () => state,
      () => hasher,
    );
    return [
      guard.none('t'),
      guard.has('t', { id: 1n }),
      guard.has('t', { id: 2 }),
      guard.has('u', { id: 1 }),
    ];
  };
  const kept = [false, true, false, false];
  const free = [true, false, false, false];
  expect(out(requested('e'), found('e'))).toEqual(free);
  expect(out(requested('e'), found('e'), undone('e'))).toEqual(free);
  expect(out(requested('e'), noted('e', 1))).toEqual(free);
  expect(out(...erased)).toEqual(kept);
  expect(out(...erased, passed('e'))).toEqual(kept);
  expect(out(...erased, { type: 'lifted', erasure: 'e' })).toEqual(free);
  // Another transaction of the same erasure that was not committed, and one of which it is not known.
  const other = found('e', 'b2', rowsOf(2));
  expect(out(...erased, other)).toEqual(kept);
  expect(out(...erased, other, undone('e', 'b2'))).toEqual(kept);
  expect(out(...erased, noted('e', 2), gone('e', 'b2', 2))).toEqual(kept);
});

test('a guard that followed event by event keeps out what one does that reads all at once, also when one of two is lifted', () => {
  const all = [
    requested('e'),
    found('e'),
    deleted('e'),
    requested('f'),
    found('f'),
    deleted('f'),
    passed('f', 'b1', 12),
    { type: 'lifted', erasure: 'e' },
    { type: 'lifted', erasure: 'f' },
  ] as const;
  const known = { state: emptyJournal() };
  const follower = guardOf(known);
  const kept = all.map((happening, i) => {
    known.state = fold(known.state, { ...happening, id: `${i}`, at: 1, by: 'me' });
    const fresh = guardOf({ state: folded(...all.slice(0, i + 1)).state });
    expect(follower.ends('t')).toEqual(fresh.ends('t'));
    expect(follower.has('t', { id: 1 })).toBe(fresh.has('t', { id: 1 }));
    return follower.has('t', { id: 1 });
  });
  expect(kept).toEqual([false, false, true, true, true, true, true, true, false]);
});

test('certificates behind one that is missing are kept apart, their erasures stay completed, and it heals with it', () => {
  const events = ['a', 'b', 'c', 'd'].flatMap((e) => [requested(e), found(e), deleted(e), passed(e), e]);
  const known = { state: emptyJournal() };
  const written = events.map((happening, i) => {
    const happened = typeof happening === 'string' ? completed(happening, known) : happening;
    const event = { ...happened, id: `${i}`, at: 1, by: 'me' };
    known.state = fold(known.state, event);
    return event;
  });
  const whole = known.state;
  const take = (from: JournalState, some: typeof written) =>
    some.reduce((state, event) => (refusal(state, event) === null ? fold(state, event) : state), from);
  const numbers = (list: JournalState['chain']) => list.map(({ body }) => body.number);

  for (const missing of [
    written.filter(({ erasure }) => erasure === 'b'),
    written.filter(({ erasure, type }) => erasure === 'b' && type === 'completed'),
  ]) {
    const rest = written.filter((event) => !missing.includes(event));
    const state = take(emptyJournal(), rest);
    expect([numbers(state.chain), numbers(state.breaks)]).toEqual([[1], [3, 4]]);
    expect([...state.erasures.values()].filter((e) => e.phase === 'completed')).toHaveLength(3);
    expect(chainProblems([...state.chain, ...state.breaks], publicKey)).toEqual(['certificate 2 is missing']);
    const healed = take(state, missing);
    expect([healed.chain, healed.breaks]).toEqual([whole.chain, []]);
  }
  const nothing = written.filter(({ type, erasure }) => erasure !== 'c' || type === 'completed');
  const { chain, breaks, erasures } = take(emptyJournal(), nothing);
  expect([numbers(chain), numbers(breaks), erasures.get('c')]).toEqual([[1, 2], [4], undefined]);
});

test('the next state holds the same map and lists, so that n erasures cost n and not n²', () => {
  const state = emptyJournal();
  const next = fold(state, { ...requested('e'), id: '1', at: 1, by: 'me' });
  expect(next).not.toBe(state);
  expect(
    [next.erasures, next.chain, next.breaks, next.events].map((part, i) => part === Object.values(state)[i]),
  ).toEqual([true, true, true, true]);
});

test('who holds an erasure holds it until then, and not behind its certificate', () => {
  const held: ErasureHappening = { type: 'held', erasure: 'e', until: 7 };
  expect(folded(requested('e'), held).erasure).toMatchObject({ phase: 'requested', heldUntil: 7 });
  expect(folded(...erased, passed('e'), 'completed', held).refused).toHaveLength(1);
});

test('the guard asks for no secret while nothing is erased of a topic, and knows the furthest ends', () => {
  const { state } = folded(
    ...erased,
    passed('e', 'b1', 9),
    requested('f'),
    found('f'),
    deleted('f'),
    passed('f', 'b1', 4),
  );
  const guard = new ErasureGuard(
    () => state,
    () => {
      throw new Error('asked');
    },
  );
  expect(guard.has('u', { id: 1 })).toBe(false);
  expect(() => guard.has('t', { id: 1 })).toThrow('asked');
  expect(guard.ends('t')).toEqual(new Map([['t/0', 9]]));
});

test('of two processes that complete at once both get their certificates, in one whole chain', async () => {
  const log = await temporaryLog();
  const journals = [await openJournal(log, 'n'), await openJournal(log, 'n')] as const;
  onTestFinished(async () => {
    for (const journal of journals) await journal.close();
    await log.close();
  });
  const [one, two] = journals;
  for (const e of ['a', 'b'])
    for (const h of [requested(e), found(e), deleted(e), passed(e)]) await one.record(h);
  await two.refresh();
  const outcomes = await Promise.allSettled([
    one.record(completed('a', one)),
    two.record(completed('b', two)),
  ]);
  expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected']);
  const [loser, left] = outcomes[0].status === 'rejected' ? ([one, 'a'] as const) : ([two, 'b'] as const);
  await loser.record(completed(left, loser));
  const { chain } = await one.refresh();
  expect(chain).toHaveLength(2);
  expect(chainProblems(chain, publicKey)).toEqual([]);
});

test('a Log that lost the journal gets it back from the copy beside the key, in its order', async () => {
  const key = join(mkdtempSync(join(tmpdir(), 'insideout-kept-')), 'key.pem');
  writeFileSync(key, 'there');
  const first = await temporaryLog();
  const journal = await openJournal(first, 'n');
  for (const h of [requested('e'), found('e'), deleted('e')]) await journal.record(h);
  await keepJournal({ log: first, journal, namespace: 'n', key });
  await journal.record(passed('e'));
  await keepJournal({ log: first, journal, namespace: 'n', key });
  await keepJournal({ log: first, journal, namespace: 'n', key });
  const file = `${key}.n.journal`;
  expect(readFileSync(file, 'utf8').split('\n').filter(Boolean)).toHaveLength(4);
  // A crash while it was written.
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"type":"loo`);

  const second = await temporaryLog();
  const fresh = await openJournal(second, 'n');
  onTestFinished(async () => {
    await journal.close();
    await fresh.close();
    await first.close();
    await second.close();
  });
  await keepJournal({ log: second, journal: fresh, namespace: 'n', key });
  expect(fresh.state.erasures).toEqual(journal.state.erasures);
  await fresh.record(looked('e'));
  await keepJournal({ log: second, journal: fresh, namespace: 'n', key });
  expect(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((l) => l.includes('"looked"')),
  ).toHaveLength(1);
});

test('where the key is not, no copy is kept', async () => {
  const log = await temporaryLog();
  const journal = await openJournal(log, 'n');
  await journal.record(requested('e'));
  const key = join(mkdtempSync(join(tmpdir(), 'insideout-kept-')), 'key.pem');
  await keepJournal({ log, journal, namespace: 'n', key });
  expect(existsSync(`${key}.n.journal`)).toBe(false);
  await journal.close();
  await log.close();
});
