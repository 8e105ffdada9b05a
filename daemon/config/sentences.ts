import type { z } from 'zod';

/** A problem of a config: where it is, and what to do about it. Never shows a value. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A problem as the line that a user reads. */
export const lineOf = ({ path, message }: Problem): string => `${path.join('.') || 'the file'}: ${message}`;

/** The schema's complaint, as one problem or several. */
export function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...path, key], message: 'is not a known setting' }));
  if (issue.code === 'invalid_union')
    return nearest(issue).flatMap((inner) =>
      problemsOf({ ...inner, path: [...path, ...inner.path] } as z.core.$ZodIssue),
    );
  if (issue.code === 'invalid_key') return [{ path, message: issue.issues[0]?.message ?? issue.message }];
  return [{ path, message: issue.message }];
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

const settings = 'a map of settings';
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: settings,
  record: settings,
};

/** What the schema says where it has no words of its own. */
export function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      if ((issue.path ?? []).length === 0 && issue.expected === 'object')
        return 'must hold settings, as in docs/configuration.md';
      return `must be ${kinds[issue.expected] ?? issue.expected}`;
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'is empty';
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_value':
      return issue.input === undefined ? 'is missing' : `must be one of ${issue.values.join(', ')}`;
    case 'invalid_format':
      return issue.format === 'url' ? 'must be a url' : undefined;
    case 'invalid_union':
      return 'has none of the forms that it can have';
    default:
      return undefined;
  }
}
