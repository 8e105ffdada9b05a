import { InsideoutError } from '../../core/errors.ts';
import { parseSubject, type Subject } from '../../deletes/subject.ts';
import { inOrder } from '../../materializer/dependencies.ts';
import { defineView, type ViewDeclaration, type ViewDefinition } from '../../materializer/view-definition.ts';
import { crossCheck } from './cross-check.ts';
import { knownParts } from './known-parts.ts';
import { configSchema, type ParsedConfig } from './schema.ts';
import { lineOf, type Problem, problemsOf, sentence } from './sentences.ts';

type SourceConfig = ParsedConfig['sources'][string] & { readonly publication: string; readonly slot: string };

/** A config that was checked: defaults filled in, views defined. */
export interface CheckedConfig {
  readonly sources: Readonly<Record<string, SourceConfig>>;
  readonly log: ParsedConfig['log'];
  readonly stores: ParsedConfig['stores'];
  readonly views: readonly ViewDefinition[];
  readonly http: ParsedConfig['http'];
  readonly rebuild: ParsedConfig['rebuild'];
  readonly namespace: string;
  readonly subjects: Readonly<Record<string, Subject>>;
  readonly erasure: ParsedConfig['erasure'];
  readonly deletes?: ParsedConfig['deletes'];
}

/** A setting whose value was to come out of the environment, and the variables that are not set. */
export interface Unset {
  readonly path: readonly PropertyKey[];
  readonly variables: readonly string[];
  /** The setting is empty because of it, which is a problem only where it may not be. */
  readonly empty?: boolean;
}

/**
 * Checks a config. Errors: `CONFIG_INVALID`, with all problems that can be told, a line each, at their paths: a
 * mistake in one place hides none in another. Values are not shown.
 */
export function checkConfig(raw: unknown, file: string, unset: readonly Unset[] = []): CheckedConfig {
  const parsed = configSchema.safeParse(raw, { error: sentence });
  const complaints = parsed.success ? [] : parsed.error.issues.flatMap(problemsOf);
  const absent = unset.filter(
    (u) => !u.empty || complaints.some((c) => c.path.join('.') === u.path.join('.')),
  );
  const missing: Problem[] = absent.map(({ path, variables }) => ({
    path,
    message: `takes ${variables.join(', ')} from the environment, where it is not set`,
  }));
  const shape = apart(complaints, missing);
  const problems = [...missing, ...shape];
  problems.push(...apart(crossCheck(knownParts(raw)), problems));
  if (!parsed.success || problems.length > 0) throw invalid(file, problems, absent);
  const config = parsed.data;
  const sources = Object.fromEntries(
    Object.entries(config.sources).map(([name, s]) => [
      name,
      { ...s, publication: s.publication ?? `insideout_${name}`, slot: s.slot ?? `insideout_${name}` },
    ]),
  );
  const subjects = Object.fromEntries(
    Object.entries(config.subjects).map(([name, declared]) => [name, parseSubject(name, declared).subject]),
  );
  return {
    ...config,
    sources,
    subjects,
    views: inOrder(
      (config.views as ViewDeclaration[]).map((v) => defineView(v, layoutIn(config.stores[v.store]))),
    ),
  };
}

/** How the store lays rows out, where it can be told to do it otherwise than it usually does. */
const layoutIn = (store: ParsedConfig['stores'][string] | undefined): string =>
  store?.kind === 'redis' && store.rows === 'hash' ? 'hash' : '';

/** Without those that lie at, above or below one that is known: they would be its consequences. */
function apart(problems: readonly Problem[], from: readonly Problem[]): Problem[] {
  const related = (a: Problem, b: Problem) => {
    const length = Math.min(a.path.length, b.path.length);
    return a.path.slice(0, length).join('.') === b.path.slice(0, length).join('.');
  };
  return problems.filter((problem) => !from.some((other) => related(problem, other)));
}

function invalid(file: string, problems: readonly Problem[], unset: readonly Unset[]): InsideoutError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const variables = [...new Set(unset.flatMap((u) => u.variables))].join(', ');
  const correct = 'orrect the file; docs/configuration.md lists every setting.';
  return new InsideoutError(
    'CONFIG_INVALID',
    `${file} has ${count}:\n${problems.map((p) => `  ${lineOf(p)}`).join('\n')}`,
    {
      hint:
        variables === ''
          ? `C${correct}`
          : problems.length === unset.length
            ? `Set ${variables}.`
            : `Set ${variables}, and c${correct}`,
    },
  );
}
