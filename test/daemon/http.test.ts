import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InsideoutError } from '../../core/errors.ts';
import { Health } from '../../daemon/health.ts';
import { type RunningHttp, serveHttp } from '../../daemon/http.ts';
import { Metrics } from '../../daemon/metrics.ts';

let now: number;
let health: Health;
let metrics: Metrics;
let http: RunningHttp;
beforeEach(async () => {
  now = 1_000;
  health = new Health(() => now);
  metrics = new Metrics(health);
  http = await serveHttp({ host: '127.0.0.1', port: 0 }, { health, metrics });
});
afterEach(() => http.close());

const shop = { kind: 'source', name: 'shop' } as const;
const card = { kind: 'view', name: 'card' } as const;
const progress = { topic: 't', partition: 0, records: 5, rows: 4, next: 5, committedAt: 2_000 };
const broken = new InsideoutError('RECORD_UNDECODABLE', 'A record cannot be decoded.', { hint: 'Look.' });
const away = new InsideoutError('STORE_UNREACHABLE', 'The store does not answer.', { hint: 'Wait.' });

async function ready(): Promise<{ status: number; reasons: string[] }> {
  const response = await fetch(`${http.url}/readyz`);
  const body = (await response.json()) as { waitingFor: { unit: string; reason: string }[] };
  return { status: response.status, reasons: body.waitingFor.map((w) => `${w.unit}: ${w.reason}`) };
}

describe('probes', () => {
  test('healthz answers while nothing is ready', async () => {
    health.add('source', 'shop');
    expect((await fetch(`${http.url}/healthz`)).status).toBe(200);
    expect(await ready()).toEqual({ status: 503, reasons: ['shop: is starting'] });
  });

  test('a source is ready only while its slot is read', async () => {
    health.add('source', 'shop');
    health.state(shop, 'running');
    expect(await ready()).toEqual({ status: 503, reasons: ['shop: the slot is not being read'] });
    metrics.source('shop').connected(true);
    expect(await ready()).toEqual({ status: 200, reasons: [] });
    metrics.source('shop').connected(false);
    expect((await ready()).status).toBe(503);
  });

  test('a view that is behind is ready while it moves, and not when it is stuck', async () => {
    health.add('view', 'card');
    health.state(card, 'running');
    const view = metrics.view('card', 1, () => true);
    view.applied({ ...progress, lag: 7 });
    expect((await ready()).status).toBe(200);
    now += 10_001;
    expect(await ready()).toEqual({
      status: 503,
      reasons: ['card: is 7 records behind and has not moved for 10 s'],
    });
    view.applied({ ...progress, lag: 0 });
    now += 3_600_000;
    expect((await ready()).status).toBe(200);
  });

  test('a view to which records come is stuck when none of them is applied, from the first one on', async () => {
    health.add('view', 'card');
    health.state(card, 'running');
    const view = metrics.view('card', 1, () => true);
    now += 3_600_000;
    const waiting = (lag: number) => view.behind({ topic: 't', partition: 0, lag });
    waiting(3);
    now += 6_000;
    waiting(20);
    expect((await ready()).status).toBe(200);
    now += 6_000;
    waiting(49);
    expect(await ready()).toEqual({
      status: 503,
      reasons: ['card: is 49 records behind and has not moved for 10 s'],
    });
  });

  test('a view whose store is waited for is not ready until it works again', async () => {
    health.add('view', 'card');
    health.state(card, 'running');
    const view = metrics.view('card', 1, () => true);
    view.retrying(away);
    expect(await ready()).toEqual({ status: 503, reasons: ['card: The store does not answer.'] });
    view.recovered();
    expect((await ready()).status).toBe(200);
  });

  test('only the generation that readers see makes a view unready, also what it met before they saw it', async () => {
    health.add('view', 'card');
    health.state(card, 'running');
    let active = 1;
    const blue = metrics.view('card', 1, () => active === 1);
    const green = metrics.view('card', 2, () => active === 2);
    green.retrying(away);
    expect((await ready()).status).toBe(200);
    active = 2;
    expect((await ready()).status).toBe(503);
    blue.retrying(away);
    green.recovered();
    expect((await ready()).status).toBe(200);
  });

  test('a stopped view stays not ready, also beside a source of the same name', async () => {
    health.add('source', 'shop');
    health.add('view', 'shop');
    health.state({ kind: 'view', name: 'shop' }, 'stopped', 'the store is full');
    health.state(shop, 'running');
    metrics.source('shop').connected(true);
    metrics.view('shop', 1, () => true).recovered();
    expect(await ready()).toEqual({ status: 503, reasons: ['shop: the store is full'] });
  });

  test('metrics tell of records, lag and dead letters, and forget a partition that went away', async () => {
    const source = metrics.source('shop');
    source.appended(1, 40);
    source.appended(2, 60);
    const view = metrics.view('card', 1, () => true);
    view.applied({ ...progress, lag: 7 });
    view.deadLettered({ topic: 't', partition: 0, offset: 4, error: broken });
    const text = async () => (await fetch(`${http.url}/metrics`)).text();
    expect(await text()).toContain('insideout_source_records_total{source="shop"} 3');
    source.appended(2, 50);
    source.acknowledged(258n);
    source.committedAt(1_500);
    // Asked twice, nothing is counted twice.
    for (let i = 0; i < 2; i++) {
      const now = await text();
      expect(now).toContain('insideout_source_records_total{source="shop"} 5');
      expect(now).toContain('insideout_source_bytes_total{source="shop"} 150');
      expect(now).toContain('insideout_source_confirmed_lsn{source="shop"} 258');
      expect(now).toContain('insideout_source_commit_timestamp_seconds{source="shop"} 1.5');
    }
    expect(await text()).toContain('insideout_view_lag_records{view="card",generation="1",partition="0"} 7');
    expect(await text()).toContain(
      'insideout_view_dead_letters_total{view="card",generation="1",code="RECORD_UNDECODABLE"} 1',
    );
    view.behind({ topic: 't', partition: 0, lag: 9 });
    expect(await text()).toContain('insideout_view_lag_records{view="card",generation="1",partition="0"} 9');
    view.revoked('t', 0);
    expect(await text()).not.toContain('insideout_view_lag_records{');
  });

  test('a port that is taken is a config error that says what to do', async () => {
    const port = Number(new URL(http.url).port);
    await expect(serveHttp({ host: '127.0.0.1', port }, { health, metrics })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      hint: expect.stringContaining('--http-port'),
    });
  });
});
