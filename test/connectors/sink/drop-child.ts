import { openSqliteStore } from '../../../connectors/sink/sqlite/sqlite-store.ts';

/** A process that drops a generation of a SQLite file, unless it is killed before. */
const [path, view, id] = process.argv.slice(2) as [string, string, string];
const store = await openSqliteStore({ path });
await store.drop(view, Number(id));
await store.close();
