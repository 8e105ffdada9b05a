import { expect, test } from 'vitest';
import { Acker } from '../../../../connectors/source/postgres/acker.ts';
import { RecordBatch } from '../../../../connectors/source/postgres/record-batch.ts';
import { TransactionReader } from '../../../../connectors/source/postgres/transaction-reader.ts';

/** https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html, built by hand. */
function message(
  lsn: bigint,
  content: string,
  options: { transactional?: boolean; prefix?: string } = {},
): Buffer {
  const prefix = Buffer.from(`${options.prefix ?? 'insideout'}\0`);
  const body = Buffer.from(content);
  const head = Buffer.alloc(10);
  head.write('M');
  head[1] = options.transactional ? 1 : 0;
  head.writeBigUInt64BE(lsn, 2);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([head, prefix, length, body]);
}
function begin(): Buffer {
  const bytes = Buffer.alloc(21);
  bytes.write('B');
  return bytes;
}
function commit(end: bigint): Buffer {
  const bytes = Buffer.alloc(26);
  bytes.write('C');
  bytes.writeBigUInt64BE(end - 8n, 2);
  bytes.writeBigUInt64BE(end, 10);
  return bytes;
}

const readerAt = (lsn: bigint) => {
  const acker = new Acker(lsn);
  return { acker, reader: new TransactionReader(new RecordBatch(), acker, 'propagate') };
};

test('a message outside of transactions is a barrier at its own position, and waits to be acknowledged', () => {
  const { acker, reader } = readerAt(100n);
  reader.read(message(200n, '{"id":"a","more":1}'));
  expect(reader.hasProgress).toBe(true);
  acker.keepalive(300n);
  expect(acker.confirmed).toBe(100n);
  expect(reader.takeProgress()).toEqual({
    lsn: 200n,
    committedAt: null,
    barriers: [{ id: 'a', lsn: 200n, content: { id: 'a', more: 1 } }],
  });
  expect(reader.takeProgress()).toEqual({ lsn: null, committedAt: null, barriers: [] });
  acker.acknowledge(200n);
  expect(acker.confirmed).toBe(300n);
});

test('a message within a transaction is a barrier at the end of its commit', () => {
  const { acker, reader } = readerAt(100n);
  reader.read(begin());
  reader.read(message(150n, '{"id":"a"}', { transactional: true }));
  expect(reader.hasProgress).toBe(false);
  reader.read(commit(200n));
  acker.keepalive(300n);
  expect(acker.confirmed).toBe(100n);
  expect(reader.takeProgress()).toMatchObject({ lsn: 200n, barriers: [{ id: 'a', lsn: 200n }] });
});

test('a barrier does not get into a batch that was taken before it came', () => {
  const { reader } = readerAt(100n);
  const taken = reader.takeProgress();
  reader.read(message(200n, '{"id":"a"}'));
  expect(taken.barriers).toEqual([]);
});

test.each([
  ['another prefix', message(200n, '{"id":"a"}', { prefix: 'insideout.heartbeat' })],
  ['the beginning of our prefix', message(200n, '{"id":"a"}', { prefix: 'inside' })],
  ['no prefix', message(200n, '', { prefix: '' })],
  ['content that is no JSON', message(200n, 'id')],
  ['content without an id', message(200n, '{}')],
  ['content of more than a kilobyte', message(200n, JSON.stringify({ id: 'x'.repeat(1_100) }))],
])('a message with %s is nobody to us and holds up nothing', (_what, bytes) => {
  const { acker, reader } = readerAt(100n);
  reader.read(bytes);
  expect(reader.hasProgress).toBe(false);
  acker.keepalive(300n);
  expect(acker.confirmed).toBe(300n);
});
