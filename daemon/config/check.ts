import type { z } from 'zod';
import { InsideoutError } from '../../core/errors.ts';
import { parseSubject, type Subject } from '../../deletes/subject.ts';
import { dependencyProblems, inOrder, upstreamOf } from '../../materializer/dependencies.ts';
import {
  defineView,
  type ViewDeclaration,
  type ViewDefinition,
  viewProblems,
} from '../../materializer/view-definition.ts';
import { configSchema, type ParsedConfig } from './schema.ts';

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

/** Checks a config. Errors: `CONFIG_INVALID`, with all problems, a line each, at their paths. Values are not shown. */
export function checkConfig(raw: unknown, file: string): CheckedConfig {
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) throw invalid(file, parsed.error.issues.flatMap(describe));
  const config = parsed.data;
  const problems = crossCheck(config);
  if (problems.length > 0) throw invalid(file, problems);
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
    views: inOrder((config.views as ViewDeclaration[]).map(defineView)),
  };
}

function describe(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.join('.') || 'the config';
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${path}.${key}: is not a known setting`);
  if (issue.code === 'invalid_union')
    return nearest(issue).flatMap((inner) =>
      describe({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue),
    );
  if (issue.code === 'invalid_key') return [`${path}: ${issue.issues[0]?.message ?? issue.message}`];
  return [`${path}: ${issue.message}`];
}

/** Of the forms a setting can have, the one that was meant: it got furthest before it was refused. */
function nearest(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((i) => i.path.length + (i.code === 'unrecognized_keys' ? 1 : 0)));
  const [first, ...others] = issue.errors;
  if (!first) return [{ ...issue, code: 'custom', path: [], message: kindProblem(issue) }];
  return others.reduce((best, other) => (depth(other) > depth(best) ? other : best), first);
}

function kindProblem(issue: z.core.$ZodIssueInvalidUnion): string {
  const kinds = issue.path[0] === 'log' ? ['kafka', 'embedded'] : ['sqlite', 'redis', 'cassandra'];
  return `must be one of ${kinds.join(', ')}`;
}

function crossCheck(config: ParsedConfig): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  config.views.forEach((declared, i) => {
    for (const p of viewProblems(declared as ViewDeclaration))
      problems.push(`views.${i}.${p.path.join('.')}: ${p.message}`);
    if (names.has(declared.name)) problems.push(`views.${i}.name: "${declared.name}" is used twice`);
    names.add(declared.name);
    if (!(declared.store in config.stores))
      problems.push(
        `views.${i}.store: there is no store "${declared.store}"; ${known(Object.keys(config.stores))}`,
      );
    if (upstreamOf(declared.from) !== null) return;
    const [sourceName, ...rest] = String(declared.from).split('.');
    const source = config.sources[sourceName!];
    const table = rest.join('.');
    if (source?.tables && !source.tables.some((t) => t === table || /[^A-Za-z0-9_.]/.test(t)))
      problems.push(`views.${i}.from: its source does not capture ${table}; ${known(source.tables)}`);
  });
  for (const p of dependencyProblems(config.views as ViewDeclaration[]))
    problems.push(`views.${p.index}.${p.path}: ${p.message}`);
  for (const [name, declared] of Object.entries(config.subjects)) {
    if (!(declared.source in config.sources))
      problems.push(
        `subjects.${name}.source: there is no source "${declared.source}"; ${known(Object.keys(config.sources))}`,
      );
    for (const p of parseSubject(name, declared).problems)
      problems.push(`subjects.${name}.${p.path}: ${p.message}`);
  }
  const slots = new Map<string, string>();
  for (const [name, source] of Object.entries(config.sources)) {
    const slot = `${source.url} ${source.slot ?? `insideout_${name}`}`;
    const other = slots.get(slot);
    if (other)
      problems.push(`sources.${name}.slot: is the slot of "${other}" as well; each source needs its own`);
    slots.set(slot, name);
  }
  return problems;
}

const known = (names: readonly string[]): string =>
  names.length === 0 ? 'none is configured' : `known: ${names.join(', ')}`;

function invalid(file: string, problems: readonly string[]): InsideoutError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new InsideoutError(
    'CONFIG_INVALID',
    `${file} has ${count}:\n${problems.map((p) => `  ${p}`).join('\n')}`,
    {
      hint: 'Correct the file; docs/configuration.md lists every setting.',
    },
  );
}
