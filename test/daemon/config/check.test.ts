import { describe, expect, test } from 'vitest';
import { isInsideoutError } from '../../../core/errors.ts';
import { checkConfig } from '../../../daemon/config/check.ts';
import { defineConfig, embedded, kafka, postgres, redis, sqlite, view } from '../../../index.ts';
import { fingerprint } from '../../../materializer/view-definition.ts';

const secret = 'pa55-w0rd';
const good = () =>
  defineConfig({
    sources: { shop: postgres({ url: `postgres://u:${secret}@h/db`, tables: ['public.customers'] }) },
    log: embedded(),
    stores: { local: sqlite({ path: 'views.db' }) },
    views: [
      view({
        name: 'customer_card',
        from: 'shop.public.customers',
        store: 'local',
        key: ['id'],
        columns: { id: 'bigint', name: 'text' },
      }),
    ],
  });

/** The problems of a config, as the lines that a user reads. */
function problems(raw: unknown): string[] {
  try {
    checkConfig(raw, 'the file');
  } catch (error) {
    if (!isInsideoutError(error, 'CONFIG_INVALID')) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe('checkConfig', () => {
  test('fills in the defaults of names, paths and probes', () => {
    const config = checkConfig(good(), 'the file');
    expect(config.sources.shop).toMatchObject({ publication: 'insideout_shop', slot: 'insideout_shop' });
    expect(config.log).toEqual({ kind: 'embedded', path: '.insideout/log.db' });
    expect(config.http).toEqual({ host: '127.0.0.1', port: 9464 });
    expect(config.views.map((v) => v.shape.name)).toEqual(['customer_card']);
  });

  test('takes retention of tables that the source captures, and refuses others', () => {
    const of = (retention: unknown) => ({
      ...good(),
      sources: { shop: { ...good().sources?.shop, retention } },
    });
    const retention = { 'public.customers': 1_000 };
    expect(checkConfig(of(retention), 'the file').sources.shop?.retention).toEqual(retention);
    expect(problems(of({ 'public.orders': 1_000 }))).toEqual([
      'sources.shop.retention.public.orders: its source does not capture public.orders; known: public.customers',
    ]);
    expect(problems(of({ 'public.customers': 0 })).map((p) => p.split(':')[0])).toEqual([
      'sources.shop.retention.public.customers',
    ]);
  });

  test('takes the ttl of a view over, and refuses one that names no time', () => {
    const of = (ttl: unknown) => {
      const columns = { id: 'bigint', at: 'timestamp' };
      return { ...good(), views: [{ ...good().views?.[0], columns, ttl }] };
    };
    const ttl = { column: 'at', ms: 1_000 };
    expect(checkConfig(of(ttl), 'the file').views[0]?.shape.ttl).toEqual(ttl);
    expect(problems(of({ column: 'at', ms: -1 })).map((p) => p.split(':')[0])).toEqual(['views.0.ttl.ms']);
    expect(problems(of({ column: 'id', ms: 1 })).map((p) => p.split(':')[0])).toEqual(['views.0.ttl.column']);
  });

  test('what a row is in Redis is part of the definition of every view in that store, and of no other', () => {
    const of = (rows: 'string' | 'hash' | undefined, store = 'local') => {
      const stores = { local: redis({ url: 'redis://h', rows }), other: sqlite({ path: 'views.db' }) };
      const { views } = checkConfig(
        { ...good(), stores, views: [{ ...good().views?.[0], store }] },
        'the file',
      );
      return fingerprint(views[0]!);
    };
    expect(of('string')).toBe(of(undefined));
    expect(of('hash')).not.toBe(of('string'));
    expect(of('hash', 'other')).toBe(of('string', 'other'));
    const wrong = { ...good(), stores: { local: { kind: 'redis', url: 'redis://h', rows: 'list' } } };
    expect(problems(wrong).map((p) => p.split(':')[0])).toEqual(['stores.local.rows']);
  });

  test('lists all problems at once, each at its path', () => {
    const raw = {
      sources: { shop: { kind: 'postgres', url: 'mysql://h', slot: 'Not A Slot' } },
      log: { kind: 'embedded', path: 7 },
      views: [{ name: 'v', from: 'a b', store: 's', key: ['id'], columns: { id: 'serial' } }],
    };
    expect(problems(raw).map((p) => p.split(':')[0])).toEqual([
      'sources.shop.url',
      'sources.shop.slot',
      'log.path',
      'views.0.from',
      'views.0.columns.id',
      'views.0.store',
    ]);
  });

  test('refuses an unknown key at every depth', () => {
    const raw = { ...good(), viewz: [], http: { prot: 1 }, log: { kind: 'embedded', file: 'x' } };
    expect(problems(raw).sort()).toEqual([
      'http.prot: is not a known setting',
      'log.file: is not a known setting',
      'viewz: is not a known setting',
    ]);
  });

  test('says which kinds there are, and which form of a setting was nearest', () => {
    expect(problems({ ...good(), log: { kind: 'kafkaa' } })).toEqual([
      'log.kind: must be one of kafka, embedded',
    ]);
    expect(problems({ ...good(), http: { port: 70_000 } })[0]).toMatch(/^http\.port: /);
    expect(problems({ ...good(), http: { port: 'x' } })[0]).toMatch(/^http\.port: /);
    expect(problems({ ...good(), sources: { 'My Shop': good().sources?.shop } })[0]).toMatch(
      /^sources\.My Shop: use lower-case/,
    );
  });

  test('names the environment as the cause when a url is missing or empty', () => {
    const raw = { ...good(), sources: { shop: { kind: 'postgres', url: undefined } } };
    expect(problems(raw)[0]).toMatch(/^sources\.shop\.url: is missing: set the environment variable/);
    const empty = { ...good(), sources: { shop: { kind: 'postgres', url: '' } } };
    expect(problems(empty)[0]).toMatch(/^sources\.shop\.url: is empty: set the environment variable/);
  });

  test('refuses a view whose store, table or key is not there, and a name that is used twice', () => {
    const [declared] = good().views!;
    const raw = {
      ...good(),
      views: [
        declared,
        declared,
        { ...declared, name: 'other', store: 'redis' },
        { ...declared, name: 'Bad-Name', from: 'shop.public.nothing', key: ['no'] },
      ],
    };
    expect(problems(raw).map((p) => p.split(':')[0])).toEqual([
      'views.1.name',
      'views.2.store',
      'views.3.name',
      'views.3.key',
      'views.3.from',
    ]);
  });

  test('a mistake in the shape of one part hides none of another, and none is made up because of it', () => {
    const [declared] = good().views!;
    const raw = {
      ...good(),
      colour: 'blue',
      sources: { ...good().sources, other: { kind: 'postgres', url: 'mysql://h' } },
      stores: { ...good().stores, broken: { kind: 'redis' } },
      views: [
        { ...declared, columns: { id: 'serial' }, key: ['no'], store: 'nowhere' },
        { ...declared, store: 'broken' },
        { ...declared, name: 'third', from: { view: 'nobody' }, publish: 1 },
        { ...declared, name: 'fourth', from: { view: 'third' }, columns: { id: 'text' } },
        { ...declared, name: 'fifth', from: 'shop.public.nothing', key: 7 },
        { ...declared, name: 'sixth', columns: null },
      ],
      subjects: { customer: { source: 'nobody', is: ['x'] }, whole: { source: 'other', is: [] } },
    };
    expect(problems(raw).map((p) => p.split(': ')[0])).toEqual([
      'sources.other.url',
      'stores.broken.url',
      'views.0.columns.id',
      'views.2.publish',
      'views.4.key',
      'views.5.columns',
      'subjects.whole.is',
      'colour',
      'views.0.key',
      'views.0.store',
      'views.1.name',
      'views.4.from',
      'views.2.from',
      'subjects.customer.source',
      'subjects.customer.is.0',
    ]);
  });

  test('a section that is no section at all is told once', () => {
    expect(problems({ ...good(), stores: 7 })).toEqual(['stores: must be a map of settings']);
    expect(problems({ ...good(), views: null })).toEqual(['views: must be a list']);
    expect(problems({ ...good(), sources: [] })).toEqual(['sources: must be a map of settings']);
    expect(problems({ ...good(), log: undefined })).toEqual(['log: is missing']);
  });

  test.each<[string, unknown, string]>([
    ['nothing', null, 'the file: must hold settings, as in docs/configuration.md'],
    ['a text', 'log', 'the file: must hold settings, as in docs/configuration.md'],
    ['an empty section', { log: null }, 'log: must be a map of settings'],
    ['a missing setting', { log: { kind: 'kafka', brokers: ['h:1'] } }, 'log.registry: is missing'],
    [
      'an empty list',
      { log: { kind: 'kafka', brokers: [], registry: { url: 'http://h' } } },
      'log.brokers: is empty',
    ],
    ['a number for a text', { log: { kind: 'embedded', path: 7 } }, 'log.path: must be a text'],
    ['an empty text', { log: { kind: 'embedded', path: '' } }, 'log.path: is empty'],
    [
      'a text for a number',
      { log: { kind: 'embedded' }, rebuild: { maxLag: 'x' } },
      'rebuild.maxLag: must be a number',
    ],
    [
      'a fraction',
      { log: { kind: 'embedded' }, rebuild: { maxLag: 1.5 } },
      'rebuild.maxLag: must be a whole number',
    ],
    [
      'too little',
      { log: { kind: 'embedded' }, rebuild: { maxLag: -1 } },
      'rebuild.maxLag: must be at least 0',
    ],
    [
      'zero where there must be some',
      { log: { kind: 'embedded' }, rebuild: { maxRecordsPerSecond: 0 } },
      'rebuild.maxRecordsPerSecond: must be more than 0',
    ],
    ['too much', { log: { kind: 'embedded' }, http: { port: 70_000 } }, 'http.port: must be at most 65535'],
    [
      'no url',
      { log: { kind: 'kafka', brokers: ['h:1'], registry: { url: 'x' } } },
      'log.registry.url: must be a url',
    ],
    [
      'another word',
      { log: { kind: 'kafka', brokers: ['h:1'], registry: { url: 'http://h' }, compression: 'zip' } },
      'log.compression: must be one of none, gzip',
    ],
    [
      'a word for yes or no',
      { log: { kind: 'kafka', brokers: ['h:1'], registry: { url: 'http://h' }, ssl: 'yes' } },
      'log.ssl: must be true or false',
    ],
    ['an empty view', { log: { kind: 'embedded' }, views: [null] }, 'views.0: must be a map of settings'],
  ])('%s is told in a sentence', (_what, raw, sentence) => {
    expect(problems(raw)).toEqual([sentence]);
  });

  test('refuses two sources on one slot of one database', () => {
    const shop = postgres({ url: 'postgres://h/db', slot: 'same' });
    expect(problems({ ...good(), sources: { shop, twin: shop } })).toEqual([
      'sources.twin.slot: is the slot of "shop" as well; each source needs its own',
    ]);
  });

  test('shows no secret and no value of a setting', () => {
    const raw = {
      sources: { shop: { kind: 'postgres', url: `mysql://u:${secret}@h` }, twin: { kind: secret } },
      log: {
        ...kafka({ brokers: [secret], registry: { url: secret, password: secret } }),
        sasl: { mechanism: secret, username: 'u', password: secret },
      },
      stores: { cache: { kind: 'redis', url: secret } },
    };
    const found = problems(raw);
    expect(found.length).toBeGreaterThan(4);
    expect(found.join('\n')).not.toContain(secret);
  });
});
