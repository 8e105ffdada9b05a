import type pg from 'pg';
import { isInsideoutError, toInsideoutError } from '../../../core/errors.ts';
import { error, failed, fine, warning } from '../findings.ts';
import type { Finding } from '../source.ts';
import { absences } from './absent-tables.ts';
import { type CatalogTable, namedTables, publishedTables } from './catalog.ts';
import { quoteIdent, withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { versionProblem } from './preflight.ts';
import { readingProblems, schemaProblem } from './privileges.ts';
import { creationProblem, type Problem, publicationProblem, readPublication } from './publication.ts';
import { freeSlots, readSlot, type SlotStatus, slotLost } from './slot.ts';
import { identityProblem, uncapturedColumns } from './table-problems.ts';
import { qualifiedName } from './tables.ts';
import { TypeCatalog } from './types.ts';

/** Slots that hold back more WAL than this are worth a warning. */
const retainedWarningBytes = 1 << 30;

/** Looks at everything that capture depends on. Changes nothing; never throws for what it finds. */
export async function inspect(options: PostgresSourceOptions): Promise<Finding[]> {
  try {
    return await withClient(options, 'inspecting the database', async (client) => {
      const version = await inspectVersion(client);
      // Of an older one the catalog cannot be asked what follows.
      if (version.some((finding) => !finding.ok)) return version;
      return [
        ...version,
        ...(await inspectServer(client)),
        ...(await inspectTables(client, options)),
        ...(await inspectSlot(client, options.slot)),
      ];
    });
  } catch (cause) {
    return [failed('connection', toInsideoutError(cause))];
  }
}

async function inspectVersion(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number`,
  );
  const { version, number } = rows[0];
  const old = versionProblem(Number(number));
  return [
    fine('connection', `PostgreSQL ${version} answers.`),
    ...(old ? [error('version', old.message, old.mend)] : []),
  ];
}

async function inspectServer(client: pg.Client): Promise<Finding[]> {
  const { rows } = await client.query(
    `select current_setting('wal_level') as wal_level, current_user as "user",
            (select rolreplication or rolsuper from pg_roles where rolname = current_user) as replication,
            ${freeSlots} as free_slots`,
  );
  const row = rows[0];
  return [
    row.wal_level === 'logical'
      ? fine('wal_level', 'wal_level is logical.')
      : error(
          'wal_level',
          `wal_level is "${row.wal_level}", so Postgres writes no logical changes.`,
          `ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres.`,
        ),
    row.replication === 't'
      ? fine('role', `The role "${row.user}" may replicate.`)
      : error(
          'role',
          `The role "${row.user}" may not replicate.`,
          `ALTER ROLE ${quoteIdent(row.user)} REPLICATION;`,
        ),
    Number(row.free_slots) > 0
      ? fine('free slots', `${row.free_slots} replication slots are free.`)
      : warning(
          'free slots',
          'No replication slot is free.',
          'Raise max_replication_slots, or drop a slot that nobody needs.',
        ),
  ];
}

async function inspectTables(client: pg.Client, options: PostgresSourceOptions): Promise<Finding[]> {
  const publication = await readPublication(client, options.publication);
  const exists = publication !== null;
  const published = exists ? await publishedTables(client, options.publication) : null;
  const closed = await schemaProblem(client, published?.map(qualifiedName) ?? options.tables ?? []);
  if (closed) return [error('role', closed.message, closed.mend)];
  const tables = published ?? (await namedTables(client, options.tables ?? []));
  const present = new Set(tables.map(qualifiedName));
  const problem = publication
    ? publicationProblem(publication, options)
    : options.tables && (await creationProblem(client, options));
  const findings: Finding[] = [
    problem ? error('publication', problem.message, problem.mend) : publicationFinding(options, exists),
  ];
  const missing = (options.tables ?? []).filter((name) => !present.has(name));
  for (const { name, message, mend } of await absences(client, missing, options))
    findings.push(error(`table ${name}`, message, mend));
  const types = new TypeCatalog();
  await types.load(
    client,
    tables.flatMap((t) => t.columns.map((c) => c.typeOid)),
  );
  const reading = await readingProblems(client, tables);
  for (const table of tables) findings.push(...inspectTable(table, types, reading));
  return findings;
}

function publicationFinding(options: PostgresSourceOptions, exists: boolean): Finding {
  if (exists) return fine('publication', `The publication "${options.publication}" exists.`);
  if (options.tables)
    return fine(
      'publication',
      `The publication "${options.publication}" will be created at the first start.`,
    );
  return error(
    'publication',
    `The publication "${options.publication}" does not exist.`,
    `CREATE PUBLICATION ${quoteIdent(options.publication)} FOR TABLE ...; or list \`tables\` in the source's config.`,
  );
}

function inspectTable(
  table: CatalogTable,
  types: TypeCatalog,
  reading: ReadonlyMap<string, Problem>,
): Finding[] {
  const name = qualifiedName(table);
  const problem = identityProblem(table) ?? reading.get(name);
  if (problem) return [error(`table ${name}`, problem.message, problem.mend)];
  const unknown = table.columns.filter((c) => !types.get(c.typeOid)?.known);
  return [
    fine(
      `table ${name}`,
      `${name} has a key (${table.columns
        .filter((c) => c.key)
        .map((c) => c.name)
        .join(', ')}).`,
    ),
    ...unknown.map((c) =>
      fine(
        `column ${name}.${c.name}`,
        `The type ${types.get(c.typeOid)?.name ?? c.typeOid} is not known; its values travel as their text.`,
      ),
    ),
    ...[...uncapturedColumns(table)].map(([column, { message, mend }]) =>
      warning(`column ${name}.${column}`, message, mend),
    ),
  ];
}

async function inspectSlot(client: pg.Client, name: string): Promise<Finding[]> {
  let slot: SlotStatus;
  try {
    slot = await readSlot(client, name);
  } catch (cause) {
    if (!isInsideoutError(cause)) throw cause;
    return [failed('slot', cause)];
  }
  if (!slot.exists) return [fine('slot', `There is no slot "${name}"; it is created at the first start.`)];
  if (slot.walStatus === 'lost') return [failed('slot', slotLost(name, 'invalidated'))];
  if ((slot.retainedBytes ?? 0) > retainedWarningBytes)
    return [
      warning(
        'slot',
        `The slot "${name}" holds back ${Math.round((slot.retainedBytes ?? 0) / (1 << 20))} MiB of WAL.`,
        slot.active
          ? 'Look at the lag of the source.'
          : 'Start the source, or drop the slot if it is not needed.',
      ),
    ];
  return [fine('slot', `The slot "${name}" is ${slot.active ? 'being read' : 'there and idle'}.`)];
}
