import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openSqliteStore } from '../../connectors/sink/sqlite/sqlite-store.ts';
import type { ViewStore } from '../../connectors/sink/view-store.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import type { Log } from '../../log/log.ts';
import { freePort } from '../../stack/processes.ts';
import { type Customer, type Customers, customersTopic, topic } from '../materializer/customers.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';

export const shape = {
  name: 'card',
  columns: { customer_id: 'bigint', label: 'text' },
  key: ['customer_id'],
} as const;
export const table = (generation: number): string => `"card__g${generation}"`;

export interface ProjectOptions {
  readonly partitions?: number;
  /** More settings of the config, as JavaScript. */
  readonly rebuild?: string;
  readonly store?: string;
  readonly views?: string;
}

/** A folder with a Log of customers and two configs, whose definitions of the view `card` differ: `old` and `new`. */
export interface Project {
  readonly folder: string;
  readonly log: Log;
  readonly store: ViewStore;
  readonly customers: Customers;
  write(first: number, last: number, of?: (id: number) => Customer): Promise<void>;
  /** A daemon of the views, ready or not. */
  daemon(config: Config): Promise<Daemon>;
  /** Runs a command to its end and reads its answer, which is one line of JSON. */
  ask(config: Config, ...args: string[]): Promise<{ code: number | null; answer: Answer }>;
  start(config: Config, ...args: string[]): RunningCli;
  /** The next offsets of a generation, added up. */
  applied(generation: number): Promise<number>;
  labels(generation: number): Promise<string[]>;
}

export type Config = 'old' | 'new';

// biome-ignore lint/suspicious/noExplicitAny: what a command answered, looked at by the assertions.
export type Answer = any;

export interface Daemon extends RunningCli {
  readonly url: string;
  metric(name: string, generation: number): Promise<number>;
}

const env = { LOG_LEVEL: 'silent' };

export async function project(options: ProjectOptions = {}): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-rebuild-'));
  for (const config of ['old', 'new'] as const)
    writeFileSync(join(folder, `${config}.config.mjs`), configText(config, options));
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  const store = await openSqliteStore({ path: join(folder, 'views.db') });
  const customers = await customersTopic(log, options.partitions ?? 2);
  const running = new Set<RunningCli>();
  onTestFinished(async () => {
    await Promise.all([...running].map((cli) => cli.end('SIGKILL')));
    await store.close();
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const start: Project['start'] = (config, ...args) => {
    const cli = startCli(['--config', `${config}.config.mjs`, ...args], { cwd: folder, env });
    running.add(cli);
    void cli.exited.then(() => running.delete(cli));
    return cli;
  };
  return {
    folder,
    log,
    store,
    customers,
    start,
    async write(first, last, of = (id) => ({ name: `n${id}`, visits: id })) {
      const ids = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      await log.append(ids.map((id) => customers.upsert(id, of(id))));
    },
    async daemon(config) {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const cli = start(config, 'view', 'run', '--http-port', String(port));
      await eventually('the daemon answers', () =>
        fetch(`${url}/healthz`).then(
          (r) => r.ok,
          () => false,
        ),
      );
      const metric = async (name: string, generation: number) => {
        const text = await fetch(`${url}/metrics`).then(
          (r) => r.text(),
          () => '',
        );
        const line = new RegExp(`^insideout_${name}{[^}]*generation="${generation}"[^}]*} (\\d+)`, 'm');
        return Number(line.exec(text)?.[1] ?? 0);
      };
      return { ...cli, url, metric };
    },
    async ask(config, ...args) {
      const cwd = folder;
      const { code, output } = await runCli(['--config', `${config}.config.mjs`, '--json', ...args], {
        cwd,
        env,
      });
      try {
        return { code, answer: JSON.parse(output) };
      } catch {
        throw new Error(`${args.join(' ')} did not answer with one line of JSON: ${output}`);
      }
    },
    async applied(generation) {
      if (!(await store.generations('card')).includes(generation)) return 0;
      const checkpoint = await (await store.open(shape, generation)).checkpoint();
      return [...checkpoint.values()].reduce((sum, next) => sum + next, 0);
    },
    async labels(generation) {
      const labels: string[] = [];
      for await (const row of (await store.open(shape, generation)).scan()) labels.push(String(row.label));
      return labels.sort();
    },
  };
}

function configText(config: Config, { rebuild, store, views }: ProjectOptions): string {
  const row = config === 'old' ? 'label: name' : "label: name + '!'";
  return `export default {
    log: { kind: 'embedded', path: 'log.db' },
    stores: { local: ${store ?? "{ kind: 'sqlite', path: 'views.db' }"} },
    rebuild: { maxLag: 0, steadyMs: 0, ${rebuild ?? ''} },
    http: false,
    views: [
      {
        name: 'card', from: '${topic}', store: 'local',
        reads: { id: 'bigint', name: 'text' },
        columns: { customer_id: 'bigint', label: 'text' },
        key: { customer_id: 'id' },
        row: ({ name }) => ({ ${row} }),
      },
      ${views ?? ''}
    ],
  };`;
}

/** Waits until readers see the first generation and it has everything. */
export async function caughtUp(of: Project, generation = 1): Promise<void> {
  await eventually(`generation ${generation} has caught up`, async () => {
    const ends = await of.log.offsets([topic]);
    return (await of.applied(generation)) === [...ends.values()].reduce((sum, { end }) => sum + end, 0);
  });
}
