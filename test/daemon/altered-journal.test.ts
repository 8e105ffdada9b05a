import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkConfig } from '../../daemon/config/check.ts';
import { Erasures } from '../../daemon/erasures.ts';
import type { ErasureEvent } from '../../deletes/journal.ts';
import type { AvroSchema } from '../../log/avro/schema-registry.ts';
import { openEmbeddedLog } from '../../log/embedded/embedded-log.ts';
import { runInProcess } from '../cli/in-process.ts';

/** Whoever can write to the Log can alter the journal in it; here by SQL, while nothing runs. */
const topic = 'crm.contacts';
const journalTopic = '__insideout.erasures';
let folder: string;
let kept: string;
let ids: string[];
const signal = AbortSignal.timeout(120_000);
const settings = () => ({
  log: { kind: 'embedded', path: join(folder, 'log.db') },
  stores: { local: { kind: 'sqlite', path: join(folder, 'views.db') } },
  views: [
    { name: 'contact', from: topic, store: 'local', key: ['id'], columns: { id: 'bigint', mail: 'text' } },
  ],
  erasure: { key: join(folder, 'key.pem') },
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'insideout-altered-'));
  kept = join(folder, 'key.pem.insideout.journal');
  writeFileSync(join(folder, 'insideout.config.yaml'), JSON.stringify(settings()));
  await fill();
  ids = await withErasures(async (erasures) => {
    const begun = await erasures.deleteKeys(topic, [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }], signal);
    const all = begun.map((e) => e.id);
    await erasures.finish(all, signal);
    return all;
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a certificate that is taken out of the middle is missed, and nothing is signed onto the rest', async () => {
  expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining('4 certificates') });
  rmSync(kept);
  alter(({ type, erasure }) => (type === 'completed' && erasure === ids[1] ? null : undefined));
  const before = journalEvents();
  const broken = await verify();
  expect(broken.code).toBe(3);
  expect(broken.out.match(/certificate 2 is missing/g)).toHaveLength(1);

  await expect(withErasures((e) => e.finish([ids[1]!], signal))).rejects.toMatchObject({
    code: 'ERASURE_BROKEN',
    message: expect.stringContaining('certificate 2 is missing'),
    hint: expect.stringContaining(kept),
  });
  const phases = await withErasures(async (e) => ids.map((id) => e.erasure(id).phase));
  expect(phases).toEqual(['completed', 'passed', 'completed', 'completed']);
  expect(journalEvents().filter((e) => e.type === 'completed')).toEqual(
    before.filter((e) => e.type === 'completed'),
  );
});

test('what the Log lost is put back from the copy, and the chain is whole again', async () => {
  const certificates = journalEvents().filter((e) => e.type === 'completed');
  alter(({ erasure }) => (erasure === ids[1] ? null : undefined));
  expect((await verify()).code).toBe(0);
  const chain = await withErasures(async (e) => e.journal.state.chain);
  expect(chain).toEqual(certificates.map((e) => e.certificate));

  // As the mend of a broken chain says.
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  await log.deleteTopics([journalTopic]);
  await log.close();
  expect((await verify()).code).toBe(0);
  const again = await withErasures(async (e) => e.journal.state.chain);
  expect(again).toEqual(chain);
});

test('keys that are emptied in the Log do not make a place look clean, with and without the copy', async () => {
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  await log.append([await contact(log, 2)]);
  await log.close();
  expect((await verify()).code).toBe(3);
  alter((event) =>
    event.type === 'found' && event.erasure === ids[1]
      ? { ...event, rows: event.rows.map((of) => ({ ...of, hashes: [] })) }
      : undefined,
  );
  const told = await verify();
  expect([told.code, told.out]).toEqual([3, expect.stringMatching(/event "found" .* was altered/)]);
  rmSync(kept);
  const alone = await verify();
  expect([alone.code, alone.out]).toEqual([
    3,
    expect.stringMatching(/the keys in the journal are not those that the certificate was signed for/),
  ]);
});

test('keys that are emptied before the certificate is signed keep it from being signed', async () => {
  const [id] = await withErasures(async (e) =>
    (await e.deleteKeys(topic, [{ id: 5 }], signal)).map((b) => b.id),
  );
  alter((event) =>
    event.type === 'found' && event.erasure === id
      ? { ...event, rows: event.rows.map((of) => ({ ...of, hashes: [] })) }
      : undefined,
  );
  await expect(withErasures((e) => e.finish([id!], signal))).rejects.toMatchObject({
    code: 'ERASURE_BROKEN',
  });
});

const verify = () => runInProcess(['--config', join(folder, 'insideout.config.yaml'), 'erasure', 'verify']);

async function withErasures<T>(work: (erasures: Erasures) => Promise<T>): Promise<T> {
  const erasures = await Erasures.open(checkConfig(settings(), 'test'));
  try {
    return await work(erasures);
  } finally {
    await erasures.close();
  }
}

/** Removes what becomes null, and writes over what becomes another. */
function alter(change: (event: ErasureEvent) => ErasureEvent | null | undefined): void {
  inJournal((db, table) => {
    for (const { offset, event } of rowsOf(db, table)) {
      const changed = change(event);
      if (changed === null) db.prepare(`delete from ${table} where offset = ?`).run(offset);
      else if (changed)
        db.prepare(`update ${table} set value = ? where offset = ?`).run(
          Buffer.from(JSON.stringify(changed)),
          offset,
        );
    }
  });
}

const journalEvents = (): ErasureEvent[] => {
  let events: ErasureEvent[] = [];
  inJournal((db, table) => {
    events = rowsOf(db, table).map(({ event }) => event);
  });
  return events;
};

const rowsOf = (db: Database.Database, table: string) =>
  db
    .prepare<[], { offset: number; value: Buffer }>(`select offset, value from ${table} order by offset`)
    .all()
    .map(({ offset, value }) => ({ offset, event: JSON.parse(value.toString()) as ErasureEvent }));

function inJournal(work: (db: Database.Database, table: string) => void): void {
  const db = new Database(join(folder, 'log.db'));
  try {
    const id = db.prepare<[string], number>('select id from topics where name = ?').pluck().get(journalTopic);
    work(db, `"records_${id}_0"`);
  } finally {
    db.close();
  }
}

async function fill(): Promise<void> {
  const log = await openEmbeddedLog({ path: join(folder, 'log.db') });
  await log.ensureTopics([{ name: topic, partitions: 1, cleanup: 'compact', retentionMs: -1 }]);
  for (const id of [1, 2, 3, 4, 5]) await log.append([await contact(log, id)]);
  await log.close();
}

const record = (name: string, ...fields: { name: string; type: string }[]) =>
  ({ type: 'record', name, fields }) as AvroSchema;
const keySchema = record('Key', { name: 'id', type: 'long' });
const valueSchema = record('Contact', { name: 'id', type: 'long' }, { name: 'mail', type: 'string' });

async function contact(log: Awaited<ReturnType<typeof openEmbeddedLog>>, id: number) {
  const framed = async (schema: AvroSchema, value: object) => {
    const header = Buffer.alloc(5);
    const subject = `crm.${(schema as { name: string }).name}`;
    header.writeUInt32BE(await log.schemas.register(subject, schema), 1);
    return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer(value)]);
  };
  return {
    topic,
    partition: 0,
    key: await framed(keySchema, { id }),
    value: await framed(valueSchema, { id, mail: `mail-${id}@example.com` }),
    timestamp: Date.now(),
  };
}
