import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import cassandra from 'cassandra-driver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCassandraStore } from '../../../connectors/sink/cassandra/cassandra-store.ts';
import { defineView } from '../../../materializer/view-definition.ts';
import { type RunningCassandra, startGuardedCassandra } from '../../../stack/cassandra.ts';
import { runCli } from '../../support/cli.ts';

const secret = 'correct-horse-battery';
const dataCenter = 'datacenter1';
const keyspace = 'views';
let server: RunningCassandra;
let admin: cassandra.Client;

beforeAll(async () => {
  server = await startGuardedCassandra();
  const { contactPoint, superuser } = server;
  admin = new cassandra.Client({
    contactPoints: [contactPoint],
    localDataCenter: dataCenter,
    credentials: superuser,
  });
  await admin.connect();
  for (const statement of [
    `create keyspace ${keyspace} with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
    ...['stranger', 'reader', 'least'].map(
      (name) => `create role ${name} with password = '${secret}' and login = true`,
    ),
    `grant select on keyspace ${keyspace} to reader`,
    ...['create', 'alter', 'drop', 'select', 'modify'].map(
      (right) => `grant ${right} on keyspace ${keyspace} to least`,
    ),
  ])
    await admin.execute(statement);
});
afterAll(async () => {
  await admin?.shutdown();
  await server?.stop();
});

const store = (username: string, password: string) => ({
  contactPoints: [server.contactPoint],
  dataCenter,
  keyspace,
  username,
  password,
});

/** A folder with a view in the store. YAML is a superset of JSON. */
function project(username: string, password: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-cassandra-account-'));
  const config = {
    log: { kind: 'embedded', path: 'log.db' },
    stores: { remote: { kind: 'cassandra', ...store(username, password) } },
    views: [{ name: 't', from: 'shop.public.t', store: 'remote', key: ['id'], columns: { id: 'bigint' } }],
    http: false,
  };
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(config));
  return folder;
}

const refused = /^(fail {2}store remote|error): Cassandra at \S+ refuses a statement \(unauthorized\)\.$/m;
const grant = /mend: Grant the user CREATE, ALTER, DROP, SELECT and MODIFY on the keyspace\./;

test.each([
  [
    'of the wrong password',
    'least',
    'wrong-horse',
    /refuses the user\.$/m,
    /mend: Correct username and password/,
  ],
  ['without any right', 'stranger', secret, refused, grant],
  ['that may only read', 'reader', secret, refused, grant],
])(
  'an account %s is for an operator: exit code 3, one sentence, the mend, and no secret',
  async (_what, user, password, message, mend) => {
    const cwd = project(user, password);
    for (const command of [['doctor'], ['view', 'run']]) {
      const ended = await runCli(command, { cwd });
      expect(ended.output).toMatch(message);
      expect(ended.output).toMatch(mend);
      expect(ended.output).not.toContain(password);
      expect(ended.code).toBe(3);
    }
  },
);

test('the rights that the documentation names are enough', async () => {
  const doctor = await runCli(['doctor'], { cwd: project('least', secret) });
  expect(doctor.output).toContain('ok    store remote: The store answers and can be written to.');
  const { shape } = defineView({
    name: 'enough',
    from: 'shop.public.t',
    store: 'remote',
    columns: { id: 'bigint', v: 'text' },
    key: ['id'],
  });
  const opened = await openCassandraStore(store('least', secret));
  try {
    const generation = await opened.open(shape, 1);
    const topic = 'shop.public.t';
    await generation.apply(await generation.claim(topic, 0), {
      topic,
      partition: 0,
      from: 0,
      next: 2,
      changes: [
        { op: 'upsert', offset: 0, key: [1n], row: { id: 1n, v: 'a' } },
        { op: 'upsert', offset: 1, key: [2n], row: { id: 2n, v: 'b' } },
      ],
    });
    expect(await opened.promote([{ view: shape, from: null, to: 1 }])).toBe(true);
    expect(await generation.get([2n])).toEqual({ id: 2n, v: 'b' });
    await opened.withdraw('enough', 1);
    await opened.drop('enough', 1);
    expect(await opened.generations('enough')).toEqual([]);
  } finally {
    await opened.close();
  }
});
