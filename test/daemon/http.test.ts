import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
    metrics.view('card', 1, () => true).applied({ ...progress, lag: 7 });
    expect((await ready()).status).toBe(200);
    now += 30_001;
    expect(await ready()).toEqual({
      status: 503,
      reasons: ['card: is 7 records behind and has not moved for 30 s'],
    });
    metrics.view('card', 1, () => true).applied({ ...progress, lag: 0 });
    now += 3_600_000;
    expect((await ready()).status).toBe(200);
  });

  test('a view whose store is waited for is not ready until it works again', async () => {
    health.add('view', 'card');
    health.state(card, 'running');
    metrics.view('card', 1, () => true).retrying(new Error('the store does not answer'));
    expect(await ready()).toEqual({ status: 503, reasons: ['card: the store does not answer'] });
    metrics.view('card', 1, () => true).recovered();
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
    metrics.source('shop').appended(3, 100);
    metrics.view('card', 1, () => true).applied({ ...progress, lag: 7 });
    metrics.view('card', 1, () => true).deadLettered('t', 'RECORD_UNDECODABLE');
    const text = async () => (await fetch(`${http.url}/metrics`)).text();
    expect(await text()).toContain('insideout_source_records_total{source="shop"} 3');
    expect(await text()).toContain('insideout_view_lag_records{view="card",generation="1",partition="0"} 7');
    expect(await text()).toContain(
      'insideout_view_dead_letters_total{view="card",generation="1",code="RECORD_UNDECODABLE"} 1',
    );
    metrics.view('card', 1, () => true).revoked('t', 0);
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
