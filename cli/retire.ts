import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { Management } from '../daemon/management.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import { entryOf, type GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { settlePromotions } from '../materializer/generations/promote.ts';
import { removeOrphan, retire } from '../materializer/generations/retire.ts';
import { withFed } from '../materializer/generations/with-fed.ts';
import { config, globals } from './context.ts';
import { orphansOf } from './generations.ts';
import { report } from './output.ts';
import { numberOf } from './promote.ts';

export function retireCommand(): Command {
  return new Command('retire')
    .description(
      'remove generations that readers do not see: of one view, or all that are in grace; ends their rollback',
    )
    .argument('[view]')
    .argument('[generation]', 'this one, also while it is being built (default: those in grace)')
    .option('--orphans', 'remove instead what `insideout generations --orphans` lists')
    .action(
      async (
        name: string | undefined,
        generation: string | undefined,
        options: { orphans?: boolean },
        command: Command,
      ) => {
        const { signal, dispose } = shutdownSignal();
        const management = await Management.open(await config(command));
        const { catalog, log, stores } = management;
        try {
          if (options.orphans) {
            const orphans = await orphansOf(management);
            for (const orphan of orphans) await removeOrphan(orphan, log, stores.get);
            report(globals(command).json, { removed: orphans }, () => `removed ${orphans.length} orphans`);
            return;
          }
          await settlePromotions(catalog, stores.get);
          const entries = chosen(management, name, generation);
          await retire(entries, { catalog, log, store: stores.get, signal });
          const retired = entries.map((e) => ({ view: e.view, generation: e.generation }));
          report(globals(command).json, { retired }, () =>
            retired.length === 0
              ? 'nothing is in grace'
              : retired.map((r) => `retired generation ${r.generation} of ${r.view}`).join('\n'),
          );
        } finally {
          await management.close();
          dispose();
        }
      },
    );
}

function chosen(
  { catalog }: Management,
  name: string | undefined,
  generation: string | undefined,
): GenerationEntry[] {
  const { generations } = catalog.state;
  const over = (view: string | undefined) =>
    generations.filter(
      (g) => (g.state === 'grace' || g.state === 'retiring') && (view === undefined || g.view === view),
    );
  // What follows a former generation goes with it.
  if (name === undefined || generation === undefined) return withFed(catalog.state, over(name));
  const entry = entryOf(catalog.state, name, numberOf(generation));
  if (!entry || entry.state === 'retired')
    throw new InsideoutError('USAGE', `There is no generation ${generation} of "${name}".`, {
      hint: 'See `insideout generations`.',
    });
  // What is built together is given up together.
  if (entry.state === 'building')
    return generations.filter((g) => g.epoch === entry.epoch && g.state === 'building');
  return withFed(catalog.state, [entry]);
}
