import { describe, expect, test } from 'vitest';
import { isInsideoutError } from '../../../core/errors.ts';
import { checkConfig } from '../../../daemon/config/check.ts';
import { defineConfig, embedded, kafka, postgres, sqlite, view } from '../../../index.ts';

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
    ]);
  });

  test('refuses an unknown key at every depth', () => {
    const raw = { ...good(), viewz: [], http: { prot: 1 }, log: { kind: 'embedded', file: 'x' } };
    expect(problems(raw).sort()).toEqual([
      'http.prot: is not a known setting',
      'log.file: is not a known setting',
      'the config.viewz: is not a known setting',
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
