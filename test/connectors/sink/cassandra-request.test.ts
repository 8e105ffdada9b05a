import { createRequire } from 'node:module';
import cassandra from 'cassandra-driver';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type BatchRequest,
  batchFrame,
  writeBatchesInOnePass,
} from '../../../connectors/sink/cassandra/cassandra-request.ts';

/** The driver's own ways, which are not in its interface: what it writes is what a node takes. */
const require = createRequire(import.meta.url);
const { BatchRequest: DriverBatch } = require('cassandra-driver/lib/requests.js') as {
  BatchRequest: new (queries: unknown, options: unknown) => BatchRequest;
};
const Encoder = require('cassandra-driver/lib/encoder.js') as new (
  version: number,
  options: object,
) => { readonly protocolVersion: number };

const { types } = cassandra;
const { dataTypes } = types;
const encoder = (version: number) => new Encoder(version, { encoding: { useBigIntAsLong: true } });

const columns: readonly [code: number, values: fc.Arbitrary<unknown>][] = [
  [
    dataTypes.varchar,
    fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 2_000 }), fc.constant('\ud800')),
  ],
  [dataTypes.text, fc.constantFrom('', 'é'.repeat(400), '€'.repeat(900), '😀'.repeat(5_000))],
  [dataTypes.bigint, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [dataTypes.int, fc.integer()],
  [
    dataTypes.double,
    fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY)),
  ],
  [dataTypes.boolean, fc.boolean()],
  [dataTypes.blob, fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes))],
];

const statement = fc.array(fc.constantFrom(...columns), { maxLength: 12 }).chain((chosen) =>
  fc.record({
    queryId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    params: fc.tuple(...chosen.map(([, values]) => fc.oneof(values, fc.constantFrom(null, types.unset)))),
    meta: fc.constant({ columns: chosen.map(([code]) => ({ type: { code } })) }),
  }),
);

const options = (parts: { logged?: boolean; serial?: number; timestamp?: cassandra.types.Long } = {}) => ({
  getOrGenerateTimestamp: () => parts.timestamp,
  getHints: () => undefined,
  isBatchCounter: () => false,
  isBatchLogged: () => parts.logged ?? false,
  getConsistency: () => types.consistencies.localQuorum,
  getSerialConsistency: () => parts.serial,
  getKeyspace: () => 'shop',
  getRoutingKey: () => undefined,
  setRoutingIndexes: () => {},
  getRoutingIndexes: () => [],
  isQueryTracing: () => false,
  getCustomPayload: () => undefined,
});

test('a batch has the bytes that the driver would write, whatever is in it', () => {
  const chosenOptions = fc.record({
    logged: fc.boolean(),
    serial: fc.constantFrom(undefined, types.consistencies.serial),
    timestamp: fc.constantFrom(
      undefined,
      types.Long.fromString('1764000000000123'),
      types.Long.fromString('-2'),
    ),
  });
  const batch = fc.array(statement, { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(batch, chosenOptions, fc.integer({ min: 0, max: 32_767 }), (queries, chosen, streamId) => {
      const request = new DriverBatch(queries, options(chosen as never));
      const expected = request.write(encoder(4), streamId);
      const { length } = request;
      request.length = 0;
      expect(batchFrame(request, 4, streamId)?.equals(expected)).toBe(true);
      expect(request.length).toBe(length);
    }),
    { numRuns: 300 },
  );
});

const prepared = (code: number, value: unknown) => ({
  queryId: Buffer.alloc(16),
  params: [value],
  meta: { columns: [{ type: { code } }] },
});
const batchOf = (query: object, chosen: object = {}) => new DriverBatch([query], { ...options(), ...chosen });

test.each([
  ['another version of the protocol', batchOf(prepared(dataTypes.int, 1)), 3],
  ['a trace', batchOf(prepared(dataTypes.int, 1), { isQueryTracing: () => true }), 4],
  ['a payload', batchOf(prepared(dataTypes.int, 1), { getCustomPayload: () => ({ a: Buffer.alloc(1) }) }), 4],
  ['a statement that is not prepared', batchOf({ query: 'INSERT …', params: [1] }), 4],
  ['a number that is no int', batchOf(prepared(dataTypes.int, 2 ** 31)), 4],
  ['a text for a bigint', batchOf(prepared(dataTypes.bigint, '1')), 4],
  ['a type that views have not', batchOf(prepared(dataTypes.timestamp, 1)), 4],
  ['a value too many', batchOf({ ...prepared(dataTypes.int, 1), params: [1, 2] }), 4],
])('%s is left to the driver', (_, request, version) => {
  expect(batchFrame(request, version, 1)).toBeNull();
});

test('the batches of a client are written this way, and by the driver where they cannot be', async () => {
  const client = new cassandra.Client({ contactPoints: ['127.0.0.1'], localDataCenter: 'dc1' });
  writeBatchesInOnePass(client);
  const { _createBatchRequest: create, controlConnection } = client as unknown as {
    _createBatchRequest(queries: object[], options: object): Promise<BatchRequest>;
    controlConnection: object;
  };
  // What it would have after connecting.
  Object.assign(controlConnection, { _encoder: encoder(4) });
  const made = async (value: unknown) => {
    // Without columns of a partition key nothing is asked of a node.
    const query = prepared(dataTypes.int, value);
    return create.call(client, [{ ...query, meta: { ...query.meta, partitionKeys: [] } }], options());
  };
  const request = await made(7);
  // The driver would ask this encoder for what it does not have.
  expect(request.write({ protocolVersion: 4 }, 5)).toEqual(batchFrame(request, 4, 5));
  const wrong = await made('seven');
  expect(() => wrong.write(encoder(4), 5)).toThrow(TypeError);
  await client.shutdown();
});
