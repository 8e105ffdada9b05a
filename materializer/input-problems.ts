import { type ColumnType, columnTypes } from '../core/column.ts';
import { rowFields } from '../log/avro/envelope.ts';
import { compileValue } from '../log/avro/row-values.ts';
import { columnOf, type Field } from '../log/avro/schema-fields.ts';
import type { AvroSchema } from '../log/avro/schema-registry.ts';
import type { ViewDefinition } from './view-definition.ts';

/** What does not fit between a view and the records that feed it. A warning leaves nulls, an error dead letters. */
export interface InputProblem {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly mend: string;
}

/** Compares a view with the schemas of its topic's records: key columns, missing columns, types. */
export function inputProblems(
  view: ViewDefinition,
  schemas: { readonly key: AvroSchema; readonly value: AvroSchema },
): InputProblem[] {
  const { shape, keyFrom, reads } = view;
  const key = rowFields(schemas.key) ?? [];
  const columns = rowFields(schemas.value) ?? [];
  const problems: InputProblem[] = [];
  const wanted = key.map(columnOf);
  const given = Object.values(keyFrom);
  if ([...wanted].sort().join() !== [...given].sort().join())
    problems.push({
      severity: 'error',
      message: `Its key is made of ${list(given)}, and the key of its records of ${list(wanted)}: rows would be lost.`,
      mend: `Make \`key\` of ${list(wanted)}.`,
    });
  for (const [name, source] of Object.entries(keyFrom)) {
    const field = key.find((f) => columnOf(f) === source);
    const problem = field && typeProblem(field, shape.columns[name]!);
    if (problem) problems.push(problem);
  }
  for (const [name, type] of Object.entries(reads)) {
    // Under the view's names the key is not read from the row.
    if (reads === shape.columns && shape.key.includes(name)) continue;
    const field = columns.find((f) => columnOf(f) === name);
    const problem = field ? typeProblem(field, type) : missing(name, columns);
    // A key column that is read as well is told of once.
    if (problem && !problems.some((p) => p.message === problem.message)) problems.push(problem);
  }
  return problems;
}

function typeProblem(field: Field, type: ColumnType): InputProblem | null {
  if (compileValue(field.type, type)) return null;
  const fitting = columnTypes.filter((t) => compileValue(field.type, t));
  return {
    severity: 'error',
    message: `Its column "${columnOf(field)}" is declared as ${type}, in which no value of the column has an exact form.`,
    mend: `Declare it as ${fitting.join(', or ')}; docs/configuration.md tells what each is.`,
  };
}

const missing = (column: string, columns: readonly Field[]): InputProblem => ({
  severity: 'warning',
  message: `It reads "${column}", which its records do not have: it is null in every row.`,
  mend: `Correct the name; there are ${list(columns.map(columnOf))}.`,
});

const list = (names: readonly string[]): string => names.map((n) => `"${n}"`).join(', ');
