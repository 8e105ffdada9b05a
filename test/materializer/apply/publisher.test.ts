import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMemoryStore } from '../../../connectors/sink/memory/memory-store.ts';
import type { Claim, Generation } from '../../../connectors/sink/view-store.ts';
import { isInsideoutError } from '../../../core/errors.ts';
import type { ViewChange, ViewShape } from '../../../core/view.ts';
import { openEmbeddedLog } from '../../../log/embedded/embedded-log.ts';
import type { Log, RecordBatch } from '../../../log/log.ts';
import { Publisher } from '../../../materializer/apply/publisher.ts';
import { viewTopicEncoder } from '../../../materializer/apply/view-topic.ts';
import { decodeAvro } from '../../support/avro-decode.ts';
import { temporaryFolder } from '../customers.ts';

const shape: ViewShape = { name: 'v', columns: { id: 'int', value: 'int' }, key: ['id'] };
const input = 'in';
const output = 'insideout.view.v.g1';

/** Values of one key, by the offset they came from: a later record has a greater value. */
function batchOf(from: number, next: number): { batch: RecordBatch; changes: ViewChange[] } {
  const offsets = Array.from({ length: next - from }, (_, i) => from + i);
  const records = offsets.map((offset) => ({
    offset,
    key: Buffer.from('1'),
    value: Buffer.alloc(0),
    headers: {},
    timestamp: 1,
  }));
  const changes = offsets.map(
    (offset): ViewChange => ({ op: 'upsert', offset, key: [1], row: { id: 1, value: offset } }),
  );
  return { batch: { topic: input, partition: 0, records, next, end: next }, changes };
}

interface Writer {
  readonly claim: Claim;
  readonly publisher: Publisher;
  next: number;
}

/** A process that has claimed the partition: it appends a batch, then applies it, as partition-run.ts does. */
async function claimed(log: Log, generation: Generation): Promise<Writer> {
  const claim = await generation.claim(input, 0);
  const encoder = await viewTopicEncoder(log.schemas, output, shape);
  const { next } = claim;
  const verify = () => generation.apply(claim, { topic: input, partition: 0, from: next, next, changes: [] });
  return { claim, next, publisher: new Publisher({ log, encoder, id: `${output}/0`, verify }) };
}

const append = (writer: Writer, next: number): Promise<void> => {
  const { batch, changes } = batchOf(writer.next, next);
  return writer.publisher.append(batch, changes);
};

async function apply(writer: Writer, generation: Generation, next: number): Promise<void> {
  const { changes } = batchOf(writer.next, next);
  await generation.apply(writer.claim, { topic: input, partition: 0, from: writer.next, next, changes });
  writer.next = next;
}

async function published(log: Log): Promise<number[]> {
  const end = (await log.offsets([output])).get(`${output}/0`)!.end;
  const values: number[] = [];
  const stop = new AbortController();
  const request = { topics: [output], from: async () => 0, signal: stop.signal };
  if (end > 0)
    for await (const { records, next } of log.consume(request)) {
      for (const record of records) {
        const row = await decodeAvro(log.schemas, record.value!);
        values.push(Number(row.value));
      }
      if (next >= end) stop.abort();
    }
  return values;
}

async function inALog(work: (log: Log, generation: Generation) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const log = await openEmbeddedLog({ path: folder.path('log.db') });
  try {
    await log.ensureTopics([{ name: output, partitions: 1, cleanup: 'compact' }]);
    await work(log, await openMemoryStore().open(shape, 1));
  } finally {
    await log.close();
    folder.remove();
  }
}

const fenced = { code: 'VIEW_FENCED' };

test('a process that lost its claim and takes the writer from the new owner appends nothing', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    const owner = await claimed(log, generation);
    await append(owner, 3);
    await apply(owner, generation, 3);
    await expect(append(late, 1)).rejects.toMatchObject(fenced);
    expect(await published(log)).toEqual([0, 1, 2]);
  }));

test('a process that lost its claim before the new owner ever wrote appends nothing', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    await claimed(log, generation);
    await expect(append(late, 1)).rejects.toMatchObject(fenced);
    expect(await published(log)).toEqual([]);
  }));

test('a process whose writer was good is refused by the new owner’s, and again when it takes a new one', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    await append(late, 1);
    await apply(late, generation, 1);
    const owner = await claimed(log, generation);
    await append(owner, 5);
    await apply(owner, generation, 5);
    await expect(append(late, 2)).rejects.toMatchObject(fenced);
    await expect(append(late, 2)).rejects.toMatchObject(fenced);
    expect(await published(log)).toEqual([0, 1, 2, 3, 4]);
  }));

test('an owner whose writer a late process took takes it back and loses nothing', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    const owner = await claimed(log, generation);
    await append(owner, 2);
    await apply(owner, generation, 2);
    await expect(append(late, 1)).rejects.toMatchObject(fenced);
    await append(owner, 4);
    await apply(owner, generation, 4);
    expect(await published(log)).toEqual([0, 1, 2, 3]);
  }));

test('what was published before a claim was lost is published again by the new owner, and ends the same', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    await append(late, 2);
    const owner = await claimed(log, generation);
    await append(owner, 3);
    await expect(apply(late, generation, 2)).rejects.toMatchObject(fenced);
    await apply(owner, generation, 3);
    expect(await published(log)).toEqual([0, 1, 0, 1, 2]);
  }));

test('a claim that is lost between taking the writer and appending lets nothing in after the new owner', () =>
  inALog(async (log, generation) => {
    const late = await claimed(log, generation);
    let owner: Writer | null = null;
    // The new owner comes at the worst moment: when the writer is taken and the claim found good.
    const slow: Log = Object.create(log, {
      schemas: { value: log.schemas },
      fencedWriter: {
        value: async (id: string) => {
          const writer = await log.fencedWriter(id);
          return {
            append: async (records: Parameters<typeof writer.append>[0]) => {
              owner ??= await claimed(log, generation);
              await append(owner, 4);
              await apply(owner, generation, 4);
              return writer.append(records);
            },
            close: () => writer.close(),
          };
        },
      },
    });
    const encoder = await viewTopicEncoder(log.schemas, output, shape);
    const verify = () =>
      generation.apply(late.claim, { topic: input, partition: 0, from: 0, next: 0, changes: [] });
    const publisher = new Publisher({ log: slow, encoder, id: `${output}/0`, verify });
    const { batch, changes } = batchOf(0, 2);
    await expect(publisher.append(batch, changes)).rejects.toMatchObject(fenced);
    expect(await published(log)).toEqual([0, 1, 2, 3]);
  }));

test('however owners and late processes take turns, the last value in the topic is the view’s', async () => {
  const steps = fc.array(
    fc.record({ who: fc.nat(5), what: fc.constantFrom('claim', 'append', 'apply'), count: fc.nat(2) }),
    { minLength: 4, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(steps, (plan) =>
      inALog(async (log, generation) => {
        const writers = [await claimed(log, generation)];
        const done = new Map<Writer, number>();
        for (const { who, what, count } of plan) {
          if (what === 'claim') writers.push(await claimed(log, generation));
          const writer = writers[who % writers.length]!;
          try {
            // What is applied was appended before, and what was appended is applied whole.
            const upTo = done.get(writer);
            if (what === 'append' && upTo === undefined) {
              const next = writer.next + 1 + count;
              await append(writer, next);
              done.set(writer, next);
            } else if (what === 'apply' && upTo !== undefined) {
              await apply(writer, generation, upTo);
              done.delete(writer);
            }
          } catch (error) {
            if (!isInsideoutError(error, 'VIEW_FENCED')) throw error;
            if (writer === writers.at(-1)) throw error;
          }
        }
        const owner = writers.at(-1)!;
        const next = done.get(owner) ?? owner.next + 1;
        if (!done.has(owner)) await append(owner, next);
        await apply(owner, generation, next);
        for (const late of writers.slice(0, -1))
          await expect(append(late, late.next + 1)).rejects.toMatchObject(fenced);
        const row = await generation.get([1]);
        expect((await published(log)).at(-1)).toBe(row?.value);
      }),
    ),
    { numRuns: 40, endOnFailure: true },
  );
});
