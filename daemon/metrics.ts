import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SourceObserver } from '../connectors/source/pump.ts';
import type { ViewObserver } from '../materializer/apply/observer.ts';
import type { Health } from './health.ts';

/** Prometheus metrics of one process; docs/operations.md lists them. Recording is a few additions per batch. */
export class Metrics {
  readonly registry = new Registry();
  readonly #health: Health;
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
  readonly #connected = this.#gauge('insideout_source_connected', '1 while the slot is being read', [
    'source',
  ]);
  readonly #committed = this.#gauge(
    'insideout_source_commit_timestamp_seconds',
    'Commit time of the newest durable transaction',
    ['source'],
  );
  readonly #viewRecords = this.#counter('insideout_view_records_total', 'Records read for the view', [
    'view',
  ]);
  readonly #viewRows = this.#counter('insideout_view_rows_total', 'Changes applied to the store', ['view']);
  readonly #lag = this.#gauge('insideout_view_lag_records', 'Records that the view is behind', [
    'view',
    'partition',
  ]);
  readonly #applied = this.#gauge(
    'insideout_view_commit_timestamp_seconds',
    'Commit time of the newest applied record',
    ['view'],
  );
  readonly #deadLetters = this.#counter('insideout_view_dead_letters_total', 'Records set aside', [
    'view',
    'code',
  ]);
  readonly #retries = this.#counter(
    'insideout_view_retries_total',
    'Attempts that failed and were made again',
    ['view'],
  );

  constructor(health: Health) {
    this.#health = health;
    collectDefaultMetrics({ register: this.registry });
  }

  source(source: string): SourceObserver {
    return {
      appended: (records, bytes) => {
        this.#records.inc({ source }, records);
        this.#bytes.inc({ source }, bytes);
      },
      acknowledged: (lsn) => this.#confirmed.set({ source }, Number(lsn)),
      committedAt: (ms) => this.#committed.set({ source }, ms / 1000),
      connected: (active) => {
        this.#connected.set({ source }, active ? 1 : 0);
        this.#health.connected(source, active);
      },
    };
  }

  view(view: string): ViewObserver {
    return {
      applied: (p) => {
        this.#viewRecords.inc({ view }, p.records);
        this.#viewRows.inc({ view }, p.rows);
        this.#lag.set({ view, partition: p.partition }, p.lag);
        if (p.committedAt !== null) this.#applied.set({ view }, p.committedAt / 1000);
        this.#health.applied(view, p.partition, p.lag);
      },
      deadLettered: (_topic, code) => this.#deadLetters.inc({ view, code }),
      retrying: (error) => {
        this.#retries.inc({ view });
        this.#health.retrying(view, error.message);
      },
      recovered: () => this.#health.retrying(view, null),
      assigned: () => {},
      revoked: (_topic, partition) => {
        this.#lag.remove({ view, partition });
        this.#health.revoked(view, partition);
      },
    };
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }
}
