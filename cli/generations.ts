import { Command } from 'commander';
import { isInsideoutError } from '../core/errors.ts';
import { Management } from '../daemon/management.ts';
import { missingFile } from '../daemon/wiring.ts';
import type { GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { lagOf, progressOf } from '../materializer/generations/progress.ts';
import { findOrphans, type Orphan } from '../materializer/generations/retire.ts';
import { config, globals } from './context.ts';
import { moment, report, table } from './output.ts';

export function generationsCommand(): Command {
  return new Command('generations')
    .description(
      'list the generations of the views: what readers see, what is built, what follows for a rollback',
    )
    .argument('[view]')
    .option('--orphans', 'list instead what a crash or another Log left in stores and Log')
    .action(async (name: string | undefined, options: { orphans?: boolean }, command: Command) => {
      const management = await Management.open(await config(command));
      const { json } = globals(command);
      try {
        if (options.orphans) {
          const orphans = await orphansOf(management);
          report(json, orphans, () => orphanTable(orphans));
          return;
        }
        const listed = await list(management, name);
        report(json, listed, () => human(listed));
      } finally {
        await management.close();
      }
    });
}

/** What the catalog knows nothing of, in every store of the config that a view of config or catalog uses. */
export function orphansOf({ config: loaded, catalog, log, stores }: Management): Promise<Orphan[]> {
  const places = new Map<string, { view: string; store: string }>();
  for (const { shape, store } of loaded.views)
    places.set(`${shape.name} ${store}`, { view: shape.name, store });
  for (const { view, store } of catalog.state.generations) places.set(`${view} ${store}`, { view, store });
  return findOrphans({
    state: catalog.state,
    log,
    namespace: loaded.namespace,
    // Where there is no file there is nothing, and none is made.
    places: [...places.values()].filter(({ store }) => {
      const stored = loaded.stores[store];
      return stored !== undefined && missingFile(stored) === null;
    }),
    store: stores.get,
  });
}

async function list({ config: loaded, catalog, log, stores }: Management, name: string | undefined) {
  const entries = catalog.state.generations.filter(
    (g) => g.state !== 'retired' && (name === undefined || g.view === name),
  );
  return Promise.all(
    entries.map(async (entry) => {
      const known = entry.store in loaded.stores && entry.state !== 'abandoned';
      // Those in a store that does not answer are listed all the same.
      const progress = known ? await progressOf(entry, log, stores.get).catch(unreachable) : null;
      return {
        view: entry.view,
        generation: entry.generation,
        state: entry.state,
        epoch: entry.epoch,
        store: entry.store,
        input: entry.input,
        output: entry.output,
        fingerprint: entry.fingerprint,
        lag: progress && lagOf(progress),
        partitions: progress?.partitions ?? null,
        stagedAt: new Date(entry.stagedAt).toISOString(),
        promotedAt: entry.promotedAt === null ? null : new Date(entry.promotedAt).toISOString(),
        graceUntil: graceUntil(entry, loaded.rebuild.graceMs),
      };
    }),
  );
}

function unreachable(error: unknown): null {
  if (isInsideoutError(error, 'STORE_UNREACHABLE')) return null;
  throw error;
}

const graceUntil = (entry: GenerationEntry, graceMs: number): string | null =>
  entry.state === 'grace' && entry.replacedAt !== null
    ? new Date(entry.replacedAt + graceMs).toISOString()
    : null;

function human(listed: Awaited<ReturnType<typeof list>>): string {
  if (listed.length === 0)
    return 'no generations yet; `insideout up` or `insideout view run` builds the first';
  return table(
    ['VIEW', 'GENERATION', 'STATE', 'EPOCH', 'STORE', 'LAG', 'STAGED (UTC)', 'PROMOTED', 'KEPT UNTIL'],
    listed.map((g) => [
      g.view,
      g.generation,
      g.state,
      g.epoch,
      g.store,
      g.lag ?? '-',
      moment(g.stagedAt),
      moment(g.promotedAt),
      moment(g.graceUntil),
    ]),
  );
}

function orphanTable(orphans: readonly Orphan[]): string {
  if (orphans.length === 0) return 'no orphans';
  return [
    table(
      ['KIND', 'VIEW', 'GENERATION', 'WHERE'],
      orphans.map((o) => [o.kind, o.view, o.generation, o.topic ?? o.store ?? '']),
    ),
    '',
    'remove them: insideout retire --orphans',
  ].join('\n');
}
