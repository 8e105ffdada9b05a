import { setTimeout as wait } from 'node:timers/promises';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import type { Config } from '../../daemon/config/descriptors.ts';
import type { Latency } from '../cases/case.ts';
import { countUntil, type Measured } from '../measure/counted.ts';
import { viewLag } from '../measure/view-lag.ts';
import { singleRows } from '../workload/single-rows.ts';
import { Topics } from '../workload/topics.ts';
import { Workplace } from './daemon.ts';
import { sourceConfig, topicOf } from './source.ts';
import { checkpointOf, viewConfig, viewName } from './view.ts';

export interface BlueRun {
  readonly url: string;
  /** Rows of the table. */
  readonly records: number;
  /** The SQLite file, and the same opened from outside. */
  readonly path: string;
  readonly store: ViewStore;
  /** Of the source. */
  readonly name: string;
  /** Of green, in each process; null for as fast as it goes. */
  readonly maxRecordsPerSecond: number | null;
  readonly profile: string | null;
}

const perSecond = 1_000;
const warmUpMs = 10_000;
const aloneMs = 10_000;
/** Transactions; more than any run takes. */
const most = perSecond * 600;

/**
 * A daemon that captures and materializes, single-row transactions all the time, and a process that builds the
 * view anew and promotes it, together with the daemon: how long a commit takes until the view that readers see has
 * it, before and meanwhile. `green` is from the start of the building process until it has promoted.
 */
export async function measureBlue(
  run: BlueRun,
): Promise<{ alone: Latency; during: Latency; green: Measured }> {
  const { url, records, store, name } = run;
  const config = configOf(run);
  const topics = await Topics.open();
  const place = new Workplace(config, { profile: run.profile });
  const daemon = place.start('up', '--http-port', 'off');
  const applied = checkpointOf(store, () => store.active(viewName));
  const there = Math.max(records, await topics.records(topicOf(name)));
  await topics.close();
  await countUntil({ ...daemon, count: applied, target: there });

  const load = await singleRows({ url, perSecond, most, mark: 'seq=' });
  const lag = viewLag(load, applied, await applied());
  const writing = load.until(most);
  await wait(warmUpMs);
  lag.take();
  await wait(aloneMs);
  const alone = lag.take();
  const green = await rebuild(config, { store, records });
  const during = lag.take();
  load.stop();
  await writing;
  await lag.settled();
  await lag.stop();
  await load.close();
  await daemon.stop();
  place.remove();
  return { alone, during, green };
}

async function rebuild(
  config: Config,
  { store, records }: { store: ViewStore; records: number },
): Promise<Measured> {
  const before = await store.active(viewName);
  const place = new Workplace(config, { profile: null });
  const process = place.start('rebuild', viewName, '--promote');
  const measured = await countUntil({
    ...process,
    count: async () => ((await store.active(viewName)) === before ? 0 : records),
    target: records,
  });
  await process.ended();
  place.remove();
  return measured;
}

function configOf({ url, records, path, store, name, maxRecordsPerSecond }: BlueRun): Config {
  const views = viewConfig({
    topic: topicOf(name),
    records,
    store: { kind: 'sqlite', path },
    open: async () => store,
    namespace: `bench_${name}`,
    profile: null,
  });
  return {
    ...views,
    sources: { [name]: sourceConfig(url, 'initial') },
    ...(maxRecordsPerSecond === null ? {} : { rebuild: { maxRecordsPerSecond } }),
  };
}
