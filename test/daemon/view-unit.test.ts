import { expect, onTestFinished, test } from 'vitest';
import { checkConfig } from '../../daemon/config/check.ts';
import { Health } from '../../daemon/health.ts';
import { createLogger } from '../../daemon/logger.ts';
import { Metrics } from '../../daemon/metrics.ts';
import { SharedCatalog } from '../../daemon/shared-catalog.ts';
import { supervise } from '../../daemon/supervisor.ts';
import { viewUnit } from '../../daemon/view-unit.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { customersTopic, recordsOf, temporaryFolder, topic, until } from '../materializer/customers.ts';

/** A process that keeps one view of customers. */
async function process() {
  const folder = temporaryFolder();
  const config = checkConfig(
    {
      log: { kind: 'embedded', path: folder.path('log.db') },
      stores: { local: { kind: 'sqlite', path: folder.path('views.db') } },
      views: [{ name: 'card', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint' } }],
    },
    'test',
  );
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  const stop = new AbortController();
  const catalog = new SharedCatalog(config);
  const health = new Health();
  const metrics = new Metrics(health);
  const unit = viewUnit(config.views[0]!, {
    config,
    catalog,
    metrics,
    health,
    logger: createLogger('silent'),
  });
  health.add(unit.kind, unit.name);
  const ended = supervise([unit], {
    signal: stop.signal,
    events: {
      started: () => health.state(unit, 'running'),
      restarting: () => {},
      stopped: () => {},
    },
  });
  onTestFinished(async () => {
    stop.abort();
    await ended;
    await catalog.close();
    await log.close();
    folder.remove();
  });
  const reasons = () => health.notReady().map(({ reason }) => reason);
  return { log, metrics, reasons };
}

test('a view is not ready before readers see a generation of it, nor while its topic is missing', async () => {
  const { log, metrics, reasons } = await process();
  expect(reasons()).toEqual(['readers see no generation of it yet']);
  await until(() => reasons()[0]?.includes('There is no topic') ?? false, 'it says what it waits for');
  expect(reasons()).toEqual([`There is no topic ${topic} yet; it is waited for.`]);
  const customers = await customersTopic(log);
  await log.append(recordsOf({ op: 'upsert', id: 1, customer: { name: 'a', visits: 1 } }, customers));
  await until(() => reasons().length === 0, 'it is ready');
  const lag = 'insideout_view_lag_records{view="card",generation="1",partition="0"} 0';
  await until(async () => (await metrics.text()).includes(lag), 'its lag is told');
});
