import type { RecordSchemas } from '../record-schemas.ts';
import { keySchema, recordSchema, topicOf } from './avro-schema.ts';
import { namedTables, publishedTables } from './catalog.ts';
import { withClient } from './connection.ts';
import type { PostgresSourceOptions } from './options.ts';
import { readPublication } from './publication.ts';
import { qualifiedName } from './tables.ts';
import { TypeCatalog } from './types.ts';

/**
 * By topic, the schemas of all tables that are captured, or will be from the first start on, as the catalog of the
 * database has them now. Errors: `SOURCE_…`.
 */
export const recordSchemas = (options: PostgresSourceOptions): Promise<Map<string, RecordSchemas>> =>
  withClient(options, 'reading the columns of the tables', async (client) => {
    const tables = (await readPublication(client, options.publication))
      ? await publishedTables(client, options.publication)
      : await namedTables(client, options.tables ?? []);
    const types = new TypeCatalog();
    await types.load(
      client,
      tables.flatMap((t) => t.columns.map((c) => c.typeOid)),
    );
    return new Map(
      tables.map(({ schema, table, columns: found }) => {
        const topic = topicOf(options.name, schema, table);
        const columns = found.map((c) => ({ ...c, type: types.get(c.typeOid)! }));
        const key = columns.filter((c) => c.key);
        const names = new Set(key.map((c) => c.name));
        return [
          topic,
          {
            key: keySchema(topic, key),
            value: recordSchema(topic, columns, { key: names, envelope: options.envelope ?? 'none' }),
            retentionMs: options.retention?.[qualifiedName({ schema, table })] ?? null,
          },
        ];
      }),
    );
  });
