import { error, fine, warning } from '../connectors/source/findings.ts';
import type { RecordSchemas } from '../connectors/source/record-schemas.ts';
import type { Finding } from '../connectors/source/source.ts';
import type { CheckedConfig } from '../daemon/config/check.ts';
import { sourceSchemas } from '../daemon/wiring.ts';
import { inputProblems } from '../materializer/input-problems.ts';
import type { ViewDefinition } from '../materializer/view-definition.ts';

/**
 * Compares views with what feeds them: that there is such a topic or will be, and that the view fits the table. A view
 * that another view feeds is checked with the config. `topics` are those of the Log; null when it cannot tell.
 */
export async function checkViews(
  loaded: CheckedConfig,
  topics: readonly string[] | null,
): Promise<Finding[]> {
  const read = loaded.views.filter((view) => typeof view.from === 'string');
  const used = new Set(read.map(sourceOf).filter((name) => name in loaded.sources));
  const schemas = new Map<string, ReadonlyMap<string, RecordSchemas>>();
  await Promise.all(
    [...used].map(async (name) => {
      // A database that does not answer is told of by its own finding.
      const found = await sourceSchemas(loaded, name).catch(() => null);
      if (found) schemas.set(name, found);
    }),
  );
  return read.flatMap((view) =>
    sourceOf(view) in loaded.sources
      ? checkTable(view, schemas.get(sourceOf(view)), topics)
      : checkForeign(view, topics, Object.keys(loaded.sources)),
  );
}

const sourceOf = (view: ViewDefinition): string => (view.from as string).split('.')[0]!;
const checkOf = (view: ViewDefinition): string => `view ${view.shape.name}`;

function checkTable(
  view: ViewDefinition,
  schemas: ReadonlyMap<string, RecordSchemas> | undefined,
  topics: readonly string[] | null,
): Finding[] {
  if (!schemas) return [];
  const topic = view.from as string;
  const check = checkOf(view);
  const found = schemas.get(topic);
  if (!found) {
    const captured = [...schemas.keys()].join(', ') || 'nothing';
    return [
      error(
        check,
        `Its topic ${topic} is none that the source "${sourceOf(view)}" writes.`,
        `Correct \`from\`, or add the table to the publication; captured: ${captured}.`,
      ),
    ];
  }
  const problems = inputProblems(view, found);
  if (problems.length > 0) return problems.map((problem) => ({ check, ok: false, ...problem }));
  const { retentionMs } = found;
  const { ttl } = view.shape;
  if (retentionMs !== null && (!ttl || ttl.ms > retentionMs))
    return [
      warning(
        check,
        `Its topic ${topic} keeps records for ${retentionMs} ms, and its rows live longer: a rebuild would lack those that were written before.`,
        'Give the view a `ttl` of at most that, by a column that tells when the row was written, or its source a longer `retention`.',
      ),
    ];
  const later = topics && !topics.includes(topic) ? ', whose topic is created when its source starts' : '';
  return [fine(check, `It fits the table behind ${topic}${later}.`)];
}

/** Topics of others are there before us. */
function checkForeign(
  view: ViewDefinition,
  topics: readonly string[] | null,
  sources: readonly string[],
): Finding[] {
  const topic = view.from as string;
  if (topics === null) return [];
  if (topics.includes(topic)) return [fine(checkOf(view), `Its topic ${topic} is there.`)];
  return [
    error(
      checkOf(view),
      `There is no topic ${topic}, and no source of this config will create it.`,
      `Correct \`from\` in the view (sources: ${sources.join(', ') || 'none'}), or start what writes the topic first.`,
    ),
  ];
}
