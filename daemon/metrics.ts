import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SourceObserver } from '../connectors/source/pump.ts';
import type { StoppedTable } from '../connectors/source/source.ts';
import type { Lsn } from '../core/lsn.ts';
import type { GenerationId } from '../core/view.ts';
import type { ViewObserver } from '../materializer/apply/observer.ts';
import type { Health } from './health.ts';

const ofGeneration = ['view', 'generation'] as const;

/** Prometheus metrics of one process; docs/operations.md lists them. Recording is a few additions per batch. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #health: Health;
  /** Gives the registry what was told since it was last asked. */
  readonly #held: (() => void)[] = [];
  readonly #records = this.#counter('insideout_source_records_total', 'Records appended to the Log', [
    'source',
  ]);
  readonly #bytes = this.#counter('insideout_source_bytes_total', 'Key and value bytes appended to the Log', [
    'source',
  ]);
  readonly #confirmed = this.#gauge(
    'insideout_source_confirmed_lsn',
    'LSN acknowledged to Postgres, as a number',
    ['source'],
  );
  readonly #connected = this.#gauge(
    'insideout_source_connected',
    '1 while the slot, or the snapshot before it, is being read',
    ['source'],
  );
  readonly #committed = this.#gauge(
    'insideout_source_commit_timestamp_seconds',
    'Commit time of the newest durable transaction',
    ['source'],
  );
  readonly #stoppedTables = this.#gauge(
    'insideout_source_stopped_tables',
    'Tables of which nothing is captured until an operator acts',
    ['source'],
  );
  readonly #viewRecords = this.#counter(
    'insideout_view_records_total',
    'Records read for the view',
    ofGeneration,
  );
  readonly #viewRows = this.#counter(
    'insideout_view_rows_total',
    'Changes applied to the store',
    ofGeneration,
  );
  readonly #lag = this.#gauge('insideout_view_lag_records', 'Records that the generation is behind', [
    ...ofGeneration,
    'partition',
  ]);
  readonly #applied = this.#gauge(
    'insideout_view_commit_timestamp_seconds',
    'Commit time of the newest applied record',
    ofGeneration,
  );
  readonly #deadLetters = this.#counter('insideout_view_dead_letters_total', 'Records set aside', [
    ...ofGeneration,
    'code',
  ]);
  readonly #keptOut = this.#counter(
    'insideout_view_kept_out_total',
    'Records of erased rows that came once more, and were not taken',
    ofGeneration,
  );
  readonly #retries = this.#counter(
    'insideout_view_retries_total',
    'Attempts that failed and were made again',
    ofGeneration,
  );
  readonly #erasures = this.#gauge('insideout_erasures_open', 'Erasures without a certificate', []);
  readonly #oldestErasure = this.#gauge(
    'insideout_erasures_oldest_timestamp_seconds',
    'When the oldest erasure without a certificate was requested; 0 when there is none',
    [],
  );
  readonly #erasureFailures = this.#counter(
    'insideout_erasures_failures_total',
    'Attempts to finish erasures that failed and are made again',
    ['code'],
  );

  constructor(health: Health) {
    this.#health = health;
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of them as Prometheus reads them. */
  text(): Promise<string> {
    for (const hand of this.#held) hand();
    return this.#registry.metrics();
  }

  source(source: string): SourceObserver {
    // Told hundreds of times a second, of which each would cost as much as encoding a record.
    const told = { records: 0, bytes: 0, confirmed: null as Lsn | null, committedMs: null as number | null };
    this.#held.push(() => {
      this.#records.inc({ source }, told.records);
      this.#bytes.inc({ source }, told.bytes);
      told.records = 0;
      told.bytes = 0;
      if (told.confirmed !== null) this.#confirmed.set({ source }, Number(told.confirmed));
      if (told.committedMs !== null) this.#committed.set({ source }, told.committedMs / 1000);
    });
    return {
      appended: (records, bytes) => {
        told.records += records;
        told.bytes += bytes;
      },
      acknowledged: (lsn) => {
        told.confirmed = lsn;
      },
      committedAt: (ms) => {
        told.committedMs = ms;
      },
      connected: (active) => {
        this.#connected.set({ source }, active ? 1 : 0);
        this.#health.connected(source, active);
      },
    };
  }

  /** Probes look only at the generation that readers see, which `visible` tells: the others may take their time. */
  view(view: string, generation: GenerationId, visible: () => boolean): ViewObserver {
    const labels = { view, generation };
    const health = this.#health.generation(view, generation, visible);
    return {
      applied: (p) => {
        this.#viewRecords.inc(labels, p.records);
        this.#viewRows.inc(labels, p.rows);
        this.#lag.set({ ...labels, partition: p.partition }, p.lag);
        health.applied(p.partition, p.lag);
        if (p.committedAt !== null) this.#applied.set(labels, p.committedAt / 1000);
      },
      behind: ({ partition, lag }) => {
        this.#lag.set({ ...labels, partition }, lag);
        health.behind(partition, lag);
      },
      deadLettered: ({ error }) => this.#deadLetters.inc({ ...labels, code: error.code }),
      keptOut: (records) => this.#keptOut.inc(labels, records),
      lacking: () => {},
      retrying: (error) => {
        this.#retries.inc(labels);
        health.waitsFor(error.message);
      },
      recovered: () => health.waitsFor(null),
      assigned: () => {},
      revoked: (_topic, partition) => {
        this.#lag.remove({ ...labels, partition });
        health.revoked(partition);
      },
    };
  }

  stoppedTables(source: string, tables: readonly StoppedTable[]): void {
    this.#stoppedTables.set({ source }, tables.length);
    this.#health.stoppedTables(source, tables);
  }

  /** `oldest`: milliseconds since 1970. */
  erasuresOpen(open: number, oldest: number | null): void {
    this.#erasures.set(open);
    this.#oldestErasure.set((oldest ?? 0) / 1000);
  }

  erasuresFailed(code: string): void {
    this.#erasureFailures.inc({ code });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}
