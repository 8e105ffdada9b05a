import type { ViewDefinition } from '../materializer/view-definition.ts';
import type { CheckedConfig } from './config/check.ts';
import type { DeletesApi } from './deletes-api.ts';
import type { FinisherParts } from './finisher-unit.ts';
import type { Logger } from './logger.ts';
import type { Unit } from './supervisor.ts';
import type { ViewUnitParts } from './view-unit.ts';

// What does not run is not loaded: the first change of a source would wait for it.

export async function viewUnits(views: readonly ViewDefinition[], parts: ViewUnitParts): Promise<Unit[]> {
  if (views.length === 0) return [];
  const [{ viewUnit }, { effectsUnit }] = await Promise.all([
    import('./view-unit.ts'),
    import('./effects-unit.ts'),
  ]);
  return [
    ...views.map((view) => viewUnit(view, parts)),
    ...views.filter((view) => view.effects !== null).map((view) => effectsUnit(view, parts)),
  ];
}

/** Null where the config takes no deletes. */
export async function openDeletes(
  config: CheckedConfig,
  logger: Logger,
): Promise<(DeletesApi & { readonly unit: Unit }) | null> {
  const tokens = config.deletes?.tokens;
  if (!tokens) return null;
  const [{ DeletesDesk }, { deletesUnit }] = await Promise.all([
    import('./deletes-desk.ts'),
    import('./deletes-unit.ts'),
  ]);
  const desk = new DeletesDesk(config);
  return { desk, tokens, unit: deletesUnit({ config, logger, desk, tokens }) };
}

export const openFinisher = async (parts: FinisherParts): Promise<Unit> =>
  (await import('./finisher-unit.ts')).finisherUnit(parts);
