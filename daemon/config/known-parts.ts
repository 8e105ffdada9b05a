import type { z } from 'zod';
import type { SubjectDeclaration } from '../../deletes/subject.ts';
import type { ViewDeclaration } from '../../materializer/view-definition.ts';
import { postgresSchema, subjectSchema, viewSchema } from './schema.ts';

/** What a config says, as far as it can be understood; what is not understood is left out of it. */
export interface KnownParts {
  /** Null when it cannot be told which there are. */
  readonly sources: ReadonlyMap<string, KnownSource> | null;
  readonly stores: ReadonlySet<string> | null;
  readonly views: readonly KnownView[];
  readonly subjects: ReadonlyMap<string, Partial<SubjectDeclaration>>;
}

export interface KnownSource {
  readonly url: string | undefined;
  /** Undefined when it was given, but not understood. */
  readonly slot: string | undefined;
  readonly tables: readonly string[] | undefined;
  readonly retention: Readonly<Record<string, number>> | undefined;
}

export interface KnownView {
  readonly name: string | undefined;
  readonly store: string | undefined;
  readonly from: ViewDeclaration['from'] | undefined;
  /** With an empty text, list or map in place of what is not known. */
  readonly declared: ViewDeclaration;
  /** What was understood: all of it, all but some types of columns or other settings, or not even which columns. */
  readonly extent: 'whole' | 'partly' | 'columnless';
}

export function knownParts(raw: unknown): KnownParts {
  const config = mapOf(raw) ?? {};
  const sources = config.sources === undefined ? {} : mapOf(config.sources);
  const stores = config.stores === undefined ? {} : mapOf(config.stores);
  return {
    sources: sources && new Map(Object.entries(sources).map(([name, value]) => [name, source(name, value)])),
    stores: stores && new Set(Object.keys(stores)),
    views: Array.isArray(config.views) ? config.views.map(view) : [],
    subjects: new Map(
      Object.entries(mapOf(config.subjects) ?? {}).map(([name, value]) => [name, subject(value)]),
    ),
  };
}

function source(name: string, raw: unknown): KnownSource {
  const given = mapOf(raw) ?? {};
  const { url, slot, tables, retention } = postgresSchema.shape;
  return {
    url: understood(url, given.url),
    slot: given.slot === undefined ? `insideout_${name}` : understood(slot, given.slot),
    tables: understood(tables, given.tables),
    retention: understood(retention, given.retention),
  };
}

function view(raw: unknown): KnownView {
  const given = mapOf(raw) ?? {};
  const known = Object.fromEntries(
    Object.entries(viewSchema.shape).map(([field, schema]) => [field, understood(schema, given[field])]),
  ) as Partial<ViewDeclaration>;
  const declared = {
    ...known,
    name: known.name ?? '',
    store: known.store ?? '',
    from: known.from ?? '',
    key: known.key ?? [],
    // The names of columns are known even when their types are wrong.
    columns: known.columns ?? ((mapOf(given.columns) ?? {}) as ViewDeclaration['columns']),
  };
  const { name, store, from } = known;
  const whole = viewSchema.safeParse(raw).success;
  return {
    name,
    store,
    from,
    declared,
    extent: whole ? 'whole' : mapOf(given.columns) ? 'partly' : 'columnless',
  };
}

function subject(raw: unknown): Partial<SubjectDeclaration> {
  const given = mapOf(raw) ?? {};
  const { source: from, is, anonymise } = subjectSchema.shape;
  return {
    source: understood(from, given.source) as string,
    is: understood(is, given.is) as string[],
    anonymise: understood(anonymise, given.anonymise),
  };
}

function understood<S extends z.ZodType>(schema: S, value: unknown): z.output<S> | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

const mapOf = (value: unknown): Readonly<Record<string, unknown>> | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
