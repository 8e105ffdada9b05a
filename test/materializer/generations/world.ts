import { isDeepStrictEqual } from 'node:util';
import type { ViewStore } from '../../../connectors/sink/view-store.ts';
import { partitionOf } from '../../../core/partition.ts';
import type { Row } from '../../../core/value.ts';
import type { ViewShape } from '../../../core/view.ts';
import type { CheckedConfig } from '../../../daemon/config/check.ts';
import { checkConfig } from '../../../daemon/config/check.ts';
import { Health } from '../../../daemon/health.ts';
import { createLogger } from '../../../daemon/logger.ts';
import { Management } from '../../../daemon/management.ts';
import { Metrics } from '../../../daemon/metrics.ts';
import { SharedCatalog } from '../../../daemon/shared-catalog.ts';
import { supervise } from '../../../daemon/supervisor.ts';
import { viewUnit } from '../../../daemon/view-unit.ts';
import { openLog, openStore } from '../../../daemon/wiring.ts';
import type { Log, LogRecord } from '../../../log/log.ts';
import { Decoder } from '../../../materializer/apply/decoder.ts';
import { viewTopicEncoder } from '../../../materializer/apply/view-topic.ts';
import { activeOf, type GenerationEntry } from '../../../materializer/generations/catalog-state.ts';
import { defineView, fingerprint, type ViewDeclaration } from '../../../materializer/view-definition.ts';
import { eventually } from '../../support/eventually.ts';
import { rowText } from '../../support/view-rows.ts';
import { type Change, computed, configs, family, tableAfter, type ViewName, viewNames } from './family.ts';

const sourceShape: ViewShape = {
  name: 'customers',
  columns: { id: 'bigint', name: 'text', visits: 'int' },
  key: ['id'],
};

/** Processes that run a config's views, in this process: `kill` lets go of one without waiting for its end. */
class Daemon {
  readonly #abort = new AbortController();
  readonly #done: Promise<unknown>;
  readonly errors: Error[] = [];

  constructor(config: CheckedConfig) {
    const catalog = new SharedCatalog(config);
    const health = new Health();
    const metrics = new Metrics(health);
    const logger = createLogger('silent');
    const units = config.views.map((view) => {
      health.add('view', view.shape.name);
      return viewUnit(view, {
        config,
        catalog,
        metrics,
        health,
        logger,
        failed: (_entry, error) => this.errors.push(error),
      });
    });
    const events = { started() {}, restarting() {}, stopped() {} };
    this.#done = supervise(units, { signal: this.#abort.signal, events }).then(async (errors) => {
      this.errors.push(...errors);
      await catalog.close();
    });
  }

  kill(): Promise<unknown> {
    this.#abort.abort();
    return this.#done;
  }
}

export interface Place {
  readonly log: unknown;
  readonly store: unknown;
  readonly namespace: string;
  readonly topic: string;
  readonly partitions: number;
}

/** A topic with a history, daemons that keep the family's views, and an operator; and what should be in the views. */
export class World {
  readonly #place: Place;
  readonly #log: Log;
  readonly #store: ViewStore;
  readonly #write: (changes: readonly Change[]) => Promise<void>;
  readonly #history: Change[] = [];
  readonly #daemons = new Map<number, Daemon>();
  readonly #gone: Promise<unknown>[] = [];
  readonly #managements = new Map<number, Management>();
  readonly #declared = new Map<string, ViewDeclaration>();
  readonly signal: AbortSignal = new AbortController().signal;

  private constructor(
    parts: { place: Place; log: Log; store: ViewStore },
    write: (changes: readonly Change[]) => Promise<void>,
  ) {
    this.#place = parts.place;
    this.#log = parts.log;
    this.#store = parts.store;
    this.#write = write;
    for (const versions of configs)
      for (const declared of family(parts.place.topic, 'stored', versions)) {
        const config = configOf(parts.place, configs.indexOf(versions));
        const defined = config.views.find((v) => v.shape.name === declared.name)!;
        this.#declared.set(fingerprint(defined), declared);
      }
  }

  static async open(place: Place): Promise<World> {
    const config = configOf(place, 0);
    const log = await openLog(config);
    const store = await openStore(config, 'stored');
    await log.ensureTopics([{ name: place.topic, partitions: place.partitions, cleanup: 'compact' }]);
    const encoder = await viewTopicEncoder(log.schemas, place.topic, sourceShape);
    const encode = (change: Parameters<typeof encoder.encode>[0], partition?: number): LogRecord => {
      const record = encoder.encode(change, {
        partition: 0,
        headers: { op: Buffer.from('u') },
        timestamp: 1_700_000_000_000,
      });
      return { ...record, partition: partition ?? partitionOf(record.key, place.partitions) };
    };
    const upsert = (id: number, row: object): LogRecord =>
      encode({ op: 'upsert', offset: 0, key: [BigInt(id)], row: { id: BigInt(id), ...row } });
    const remove = (id: number): LogRecord => encode({ op: 'delete', offset: 0, key: [BigInt(id)] });
    const world: World = new World({ place, log, store }, async (changes) => {
      const records: LogRecord[] = [];
      for (const change of changes) {
        if (change.op === 'upsert') records.push(upsert(change.id, change.row));
        else if (change.op === 'remove') records.push(remove(change.id));
        else if (change.op === 'truncate')
          for (let p = 0; p < place.partitions; p++) records.push(encode({ op: 'truncate', offset: 0 }, p));
        else {
          const row = tableAfter(world.#history).get(change.id);
          records.push(remove(change.id), ...(row ? [upsert(change.to, row)] : []));
        }
        world.#history.push(change);
      }
      await log.append(records);
    });
    return world;
  }

  write(changes: readonly Change[]): Promise<void> {
    return this.#write(changes);
  }

  /** Starts a daemon with this config, if there is none. */
  run(config: number): void {
    if (!this.#daemons.has(config)) this.#daemons.set(config, new Daemon(configOf(this.#place, config)));
  }

  /** Lets go of a daemon in the middle of its work and starts it again at once, while the former still ends. */
  crash(which: number): void {
    const running = [...this.#daemons.keys()];
    const config = running[which % running.length];
    if (config === undefined) return;
    this.#gone.push(this.#daemons.get(config)!.kill());
    this.#daemons.set(config, new Daemon(configOf(this.#place, config)));
  }

  async operator(config = 0): Promise<Management> {
    const known = this.#managements.get(config) ?? (await Management.open(configOf(this.#place, config)));
    this.#managements.set(config, known);
    await known.catalog.refresh();
    return known;
  }

  /** What a generation must hold, by its own definition and those of the generations that feed it. */
  expected(entry: GenerationEntry, entries: readonly GenerationEntry[]): Map<number, Row> {
    const declared = this.#declared.get(entry.fingerprint)!;
    const upstream = entries.find((e) => e.output === entry.input);
    const input = upstream
      ? this.expected(upstream, entries)
      : new Map([...tableAfter(this.#history)].map(([id, row]) => [id, { id: BigInt(id), ...row } as Row]));
    return computed(declared, input);
  }

  same(a: GenerationEntry, b: GenerationEntry, entries: readonly GenerationEntry[]): boolean {
    return isDeepStrictEqual(this.expected(a, entries), this.expected(b, entries));
  }

  /** Once everything was applied: pointers are the catalog's, and every generation holds what it must. */
  async check(): Promise<void> {
    for (const view of viewNames) {
      const shown = await eventually(`${view} is shown`, () => this.#store.active(view), 20);
      const { catalog } = await this.operator();
      await eventually(
        `the pointer of ${view} is what the catalog says`,
        () => activeOf(catalog.state, view)?.generation === shown,
        20,
      );
    }
    const { state } = (await this.operator()).catalog;
    const { generations } = state;
    for (const [upstream, view] of [
      ['card', 'labels'],
      ['labels', 'tags'],
    ] as const)
      if (activeOf(state, view)?.input !== activeOf(state, upstream)?.output)
        throw new Error(`readers of ${view} see what another generation of ${upstream} makes`);
    for (const entry of generations) {
      if (entry.state === 'retired' || entry.state === 'retiring') continue;
      const wanted = texts(entry.shape, this.expected(entry, generations).values());
      let found: string[] = [];
      await eventually(
        `${entry.view} g${entry.generation}`,
        async () => {
          found = await this.#rows(entry);
          return isDeepStrictEqual(found, wanted);
        },
        60,
      ).catch(() => {
        throw new Error(
          `${entry.view} g${entry.generation} (${entry.state}): ${found.join()} instead of ${wanted.join()}; ${this.#problems()}`,
        );
      });
    }
  }

  /** Every view topic, read from its beginning, gives the table of its generation. */
  async checkTopics(): Promise<void> {
    const { generations } = (await this.operator()).catalog.state;
    for (const entry of generations) {
      if (entry.output === null || entry.state === 'retired' || entry.state === 'retiring') continue;
      const wanted = texts(entry.shape, this.expected(entry, generations).values());
      const found = texts(entry.shape, (await this.#replayed(entry)).values());
      if (!isDeepStrictEqual(found, wanted))
        throw new Error(`topic ${entry.output}: ${found.join()} instead of ${wanted.join()}`);
    }
  }

  /** What is left of generations that are gone: nothing. */
  async generationsLeft(view: ViewName): Promise<number[]> {
    return this.#store.generations(view);
  }

  topics(): Promise<string[]> {
    return this.#log.topics();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.kill()));
    await Promise.all(this.#gone);
    for (const management of this.#managements.values()) await management.close();
    await this.#store.close();
    await this.#log.close();
  }

  #problems(): string {
    return [...this.#daemons.values()].flatMap((d) => d.errors.map(String)).join('; ');
  }

  async #rows(entry: GenerationEntry): Promise<string[]> {
    if (!(await this.#store.generations(entry.view)).includes(entry.generation)) return ['does not exist'];
    const rows: Row[] = [];
    for await (const row of (await this.#store.open(entry.shape, entry.generation)).scan()) rows.push(row);
    return texts(entry.shape, rows);
  }

  async #replayed({ shape, output }: GenerationEntry): Promise<Map<string, Row>> {
    const decoder = new Decoder(
      defineView({ name: 'reader', from: 'any', store: 'any', columns: shape.columns, key: shape.key }),
      this.#log.schemas,
    );
    const ends = new Map([...(await this.#log.offsets([output!]))].map(([key, { end }]) => [key, end]));
    const rows = new Map<string, { row: Row; partition: number }>();
    const open = new Set([...ends].flatMap(([key, end]) => (end > 0 ? [key] : [])));
    const stop = new AbortController();
    const request = { topics: [output!], from: async () => 0, signal: stop.signal };
    if (open.size > 0)
      for await (const { topic, partition, records, next } of this.#log.consume(request)) {
        for (const record of records) {
          if (!decoder.ready(record)) await decoder.prepare(record, stop.signal);
          const change = decoder.decode(record);
          if (change.op === 'truncate')
            for (const [key, row] of rows) row.partition === partition && rows.delete(key);
          else if (change.op === 'delete') rows.delete(String(change.key[0]));
          else rows.set(String(change.key[0]), { row: change.row, partition });
        }
        if (next >= (ends.get(`${topic}/${partition}`) ?? 0)) open.delete(`${topic}/${partition}`);
        if (open.size === 0) stop.abort();
      }
    return new Map([...rows].map(([key, { row }]) => [key, row]));
  }
}

const texts = (shape: ViewShape, rows: Iterable<Row>): string[] =>
  [...rows].map((row) => rowText(shape, row)).sort();

function configOf(place: Place, config: number): CheckedConfig {
  return checkConfig(
    {
      namespace: place.namespace,
      log: place.log,
      stores: { stored: place.store },
      views: family(place.topic, 'stored', configs[config]!),
      rebuild: { maxLag: 0, steadyMs: 0 },
      http: false,
    },
    'test',
  );
}
