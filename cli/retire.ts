import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { Management } from '../daemon/management.ts';
import { has, lost, type RetireWish, removed, unseen } from '../daemon/retiring.ts';
import { shutdownSignal } from '../daemon/shutdown.ts';
import { activeOf, type GenerationEntry } from '../materializer/generations/catalog-state.ts';
import { settlePromotions } from '../materializer/generations/promote.ts';
import { type RetireOptions, removeOrphan, retire } from '../materializer/generations/retire.ts';
import { config, globals } from './context.ts';
import { orphansOf } from './generations.ts';
import { report } from './output.ts';
import { numberOf } from './promote.ts';

interface Options {
  readonly orphans?: boolean;
  readonly force?: boolean;
  readonly storeGone?: boolean;
}

export function retireCommand(): Command {
  return new Command('retire')
    .description(
      'remove generations that readers do not see: of one view, or all that are in grace; ends their rollback',
    )
    .argument('[view]')
    .argument('[generation]', 'this one, also while it is being built (default: those in grace)')
    .option('--orphans', 'remove instead what `insideout generations --orphans` lists')
    .option('--force', 'all of a view that is not in the config any more, also what readers see')
    .option(
      '--store-gone',
      'give up instead what was in a store that is gone for good; certificates of erasures call it unverifiable',
    )
    .action(
      async (
        name: string | undefined,
        generation: string | undefined,
        options: Options,
        command: Command,
      ) => {
        const wish = wishOf(name, generation, options);
        const { signal, dispose } = shutdownSignal();
        const management = await Management.open(await config(command));
        const { catalog, log, stores } = management;
        const parts: RetireOptions = { catalog, log, store: stores.get, signal };
        const { json } = globals(command);
        try {
          if (options.orphans) {
            const orphans = await orphansOf(management);
            for (const orphan of orphans) await removeOrphan(orphan, parts);
            report(json, { removed: orphans }, () => `removed ${orphans.length} orphans`);
          } else if (options.storeGone) {
            const entries = await lost(management, wish!);
            await retire(entries, { ...parts, storeGone: true });
            report(json, { abandoned: entries.map(plain) }, () => entries.map(abandoned).join('\n'));
          } else {
            await settlePromotions(catalog, stores.get);
            const entries = options.force ? removed(management, wish!) : unseen(management, wish);
            await retire(entries, parts);
            report(json, { retired: entries.map(plain) }, () => retired(entries, { management, name }));
          }
        } finally {
          await management.close();
          dispose();
        }
      },
    );
}

function wishOf(
  name: string | undefined,
  generation: string | undefined,
  options: Options,
): RetireWish | null {
  const chosen = [
    options.orphans && '--orphans',
    options.force && '--force',
    options.storeGone && '--store-gone',
  ].filter((option) => typeof option === 'string');
  if (chosen.length > 1)
    throw new InsideoutError('USAGE', `${chosen.join(' and ')} are not for one call.`, {
      hint: 'Give one of them; see `insideout retire --help`.',
    });
  if (name !== undefined)
    return { view: name, generation: generation === undefined ? null : numberOf(generation) };
  if (!options.force && !options.storeGone) return null;
  throw new InsideoutError('USAGE', `${chosen[0]} needs the name of a view.`, {
    hint: `See \`insideout generations\`, and run \`insideout retire <view> ${chosen[0]}\`.`,
  });
}

const plain = ({ view, generation }: GenerationEntry) => ({ view, generation });

function retired(
  entries: readonly GenerationEntry[],
  { management, name }: { management: Management; name: string | undefined },
): string {
  const lines = entries.map((e) => `retired generation ${e.generation} of ${e.view}`);
  if (lines.length === 0) lines.push('nothing is in grace');
  const shown = name === undefined ? null : activeOf(management.catalog.state, name);
  if (shown && !has(management, shown.view))
    lines.push(`readers see generation ${shown.generation} of ${name}: insideout retire ${name} --force`);
  return lines.join('\n');
}

const abandoned = ({ view, generation, store }: GenerationEntry): string =>
  `abandoned generation ${generation} of ${view}: destroy any copy of the store ${store}`;
