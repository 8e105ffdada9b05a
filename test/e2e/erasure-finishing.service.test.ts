import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import { expect, onTestFinished, test } from 'vitest';
import { partitionOf } from '../../core/partition.ts';
import { chainProblems } from '../../deletes/certificate.ts';
import { type Journal, type JournalState, openJournal } from '../../deletes/journal.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { freePort } from '../../stack/processes.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { createDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const topic = 'crm.contacts';
const secret = 'a-secret-of-the-crm';
const slow = { timeout: 180_000 };

interface Project {
  readonly folder: string;
  readonly log: EmbeddedLog;
  readonly journal: Journal;
  up(...args: string[]): RunningCli;
  run(...args: string[]): Promise<{ code: number | null; output: string }>;
  /** Deletes keys over HTTP; resolves with the ids of the erasures once it is answered. */
  remove(...ids: number[]): Promise<string[]>;
  /** Resolves with the first state of the journal that is so. */
  journaled(what: string, is: (state: JournalState) => boolean): Promise<JournalState>;
}

/** Contacts 1 to 6 that another program writes, with a view of them; `more` of the config. */
async function project(
  more: { sources?: object; views?: object[]; subjects?: object } = {},
): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'insideout-finishing-'));
  const port = await freePort();
  const contact = { name: 'contact', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint' } };
  writeFileSync(
    join(folder, 'insideout.config.yaml'),
    JSON.stringify({
      log: { kind: 'embedded', path: 'log.db' },
      stores: { local: { kind: 'sqlite', path: 'views.db' } },
      deletes: { tokens: { crm: secret } },
      http: { port },
      ...more,
      views: [contact, ...(more.views ?? [])],
    }),
  );
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  const journal = await openJournal(log, 'insideout');
  const running: RunningCli[] = [];
  onTestFinished(async () => {
    await Promise.all(running.map((cli) => cli.end('SIGKILL')));
    await journal.close();
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact' }]);
  for (let id = 1; id <= 6; id++) {
    const key = await contactBytes(log, 'Key', id);
    const value = await contactBytes(log, 'Contact', id);
    await log.append([{ topic, partition: partitionOf(key, 1), key, value, timestamp: Date.now() }]);
  }
  return {
    folder,
    log,
    journal,
    up: (...args) => {
      const cli = startCli(['up', ...args], { cwd: folder });
      running.push(cli);
      return cli;
    },
    run: (...args) => runCli(args, { cwd: folder }),
    remove: async (...ids) => {
      let taken: string[] = [];
      await eventually('the endpoint takes the keys', async () => {
        const response = await fetch(`http://127.0.0.1:${port}/v1/topics/${topic}/keys`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${secret}` },
          body: JSON.stringify({ keys: ids.map((id) => ({ id })) }),
        }).catch(() => null);
        if (response?.status !== 202) return false;
        const { erasures } = (await response.json()) as { erasures: { id: string }[] };
        taken = erasures.map((e) => e.id);
        return true;
      });
      return taken;
    },
    journaled: async (what, is) => {
      const late = AbortSignal.timeout(90_000);
      for await (const state of journal.changes(late)) if (is(state)) return state;
      throw new Error(`Not in time: ${what}`);
    },
  };
}

async function contactBytes(log: EmbeddedLog, name: string, id: number): Promise<Buffer> {
  const schema = { type: 'record', name, fields: [{ name: 'id', type: 'long' }] } as AvroSchema;
  const header = Buffer.alloc(5);
  header.writeUInt32BE(await log.schemas.register(`crm.${name}`, schema), 1);
  return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer({ id })]);
}

const completed = ({ erasures }: JournalState, ids: readonly string[]): boolean =>
  ids.every((id) => erasures.get(id)?.phase === 'completed');

/** Each of the erasures has one certificate in a whole chain. */
function expectOneEach({ folder, journal }: Project, ids: readonly string[]): void {
  const { chain } = journal.state;
  expect(chain.map((certificate) => certificate.body.erasure).sort()).toEqual([...ids].sort());
  const key = createPrivateKey(readFileSync(join(folder, '.insideout', 'erasure-key.pem')));
  expect(chainProblems(chain, createPublicKey(key))).toEqual([]);
}

test(
  'up brings erasures that were begun over HTTP and by the command to certificates, and leaves those that are waited for to who knows their values',
  slow,
  async () => {
    const db = await createDatabase();
    onTestFinished(() => db.drop());
    await db.client.query(`create table customers (id bigint primary key, email text unique);
    insert into customers select n, 'only.' || n || '@example.org' from generate_series(1, 3) n`);
    const shop = await project({
      sources: {
        shop: { kind: 'postgres', url: db.url, slot: `slot_${db.name}`, tables: ['public.customers'] },
      },
      views: [
        {
          name: 'customer',
          from: 'shop.public.customers',
          store: 'local',
          key: ['id'],
          columns: { id: 'bigint', email: 'text' },
        },
      ],
      subjects: { customer: { source: 'shop', is: ['public.customers.id'] } },
    });
    const up = shop.up();
    const [contact] = await shop.remove(2);
    await eventually('the customers are in the Log', async () =>
      [...(await shop.log.offsets(['shop.public.customers'])).values()].some(({ end }) => end > 0),
    );
    const begun = await shop.run('erase', 'customer', '1', '--json');
    expect([begun.code, begun.output]).toEqual([
      0,
      expect.stringMatching(/"phase":"(deleted|passed|completed)"/),
    ]);
    const { id } = JSON.parse(begun.output.trim().split('\n').at(-1)!)[0];
    await shop.journaled('both have certificates', (state) => completed(state, [contact!, id]));
    const { erasures } = shop.journal.state;
    expect(erasures.get(contact!)!.places).toContainEqual(
      expect.objectContaining({ kind: 'topic', name: topic, state: 'verified' }),
    );
    expect(erasures.get(id)!.places.map((p) => [p.kind, p.state])).toEqual(
      expect.arrayContaining([
        ['table', 'unverifiable'],
        ['topic', 'verified'],
        ['generation', 'verified'],
      ]),
    );

    const waited = await shop.run('erase', 'customer', '2', '--wait', '--json');
    expect(waited.code).toBe(0);
    const [erasure] = JSON.parse(waited.output.trim().split('\n').at(-1)!);
    expect(erasure.places).toContainEqual(expect.objectContaining({ kind: 'table', state: 'verified' }));
    expectOneEach(shop, [contact!, id, erasure.id]);
    expect(up.output()).toContain('an erasure has its certificate');
    expect(up.output()).not.toContain('only.');
  },
);

test(
  'killed while it finishes, up goes on when it starts again, and each erasure has one certificate',
  slow,
  async () => {
    const shop = await project();
    const ids: string[] = [];
    for (let id = 1; id <= 3; id++) {
      const up = shop.up();
      ids.push(...(await shop.remove(id, id + 3)));
      // The first kill comes before anything is read back, the second behind that, the third somewhere.
      const seen = id === 1 ? 'passed' : 'looked';
      await shop.journaled(`it is ${seen}`, ({ events }) =>
        events.some((e) => e.type === seen && ids.slice(-2).includes(e.erasure)),
      );
      await up.end('SIGKILL');
    }
    shop.up();
    await shop.journaled('all have certificates', (state) => completed(state, ids));
    expectOneEach(shop, ids);
  },
);

test('two processes that finish the same erasures give one certificate to each', slow, async () => {
  const shop = await project();
  const ups = [shop.up(), shop.up('--http-port', '0')];
  const ids = [...(await shop.remove(1)), ...(await shop.remove(2, 3)), ...(await shop.remove(4))];
  await shop.journaled('all have certificates', (state) => completed(state, ids));
  for (const up of ups) await up.end('SIGTERM');
  await shop.journal.refresh();
  expectOneEach(shop, ids);
});

test(
  'without the key up says so once and goes on, and finishes when the key is there again',
  slow,
  async () => {
    const shop = await project();
    const first = shop.up();
    const [one] = await shop.remove(1);
    await shop.journaled('it has its certificate', (state) => completed(state, [one!]));
    await first.end('SIGKILL');
    const deleted = await shop.run('delete', topic, '2', '--json');
    const [two] = JSON.parse(deleted.output.trim().split('\n').at(-1)!).map((e: { id: string }) => e.id);
    const file = join(shop.folder, '.insideout', 'erasure-key.pem');
    const key = readFileSync(file);
    rmSync(file);
    const up = shop.up();
    await eventually('it warns', () => up.output().includes('There is no key of erasures'));
    expect(up.output()).toContain('Restore it from your backup');
    writeFileSync(file, key, { mode: 0o600 });
    await shop.journaled('it has its certificate', (state) => completed(state, [one!, two]));
    const warnings = up
      .output()
      .split('\n')
      .filter((line) => line.includes('could not be finished'));
    expect(warnings).toHaveLength(1);
    expectOneEach(shop, [one!, two]);
  },
);
