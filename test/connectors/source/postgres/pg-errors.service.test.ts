import pg from 'pg';
import { expect, test } from 'vitest';
import { withClient } from '../../../../connectors/source/postgres/connection.ts';
import { createDatabase } from '../../../support/database.ts';
import { servers } from '../../../support/servers.ts';

test('a database that takes no connections is told as that, and not as a lost slot', async () => {
  const db = await createDatabase();
  const admin = new pg.Client({ connectionString: servers().postgres });
  await admin.connect();
  const options = { url: db.url, slot: 'shop' };
  try {
    await admin.query(`alter database ${db.name} allow_connections false`);
    await expect(withClient(options, 'checking the database', async () => {})).rejects.toMatchObject({
      code: 'SOURCE_AUTH',
      message: expect.stringContaining('takes no connections'),
    });
    await admin.query(`alter database ${db.name} allow_connections true`);
    // 55000 once the connection stands: here a sequence that was not used yet.
    await db.client.query('create sequence s');
    await expect(
      withClient(options, 'reading the slot', (client) => client.query(`select currval('s')`)),
    ).rejects.toMatchObject({ code: 'SOURCE_SLOT_LOST' });
  } finally {
    await admin.query(`alter database ${db.name} allow_connections true`);
    await admin.end();
    await db.drop();
  }
});
