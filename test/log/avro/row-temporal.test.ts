import { expect, test } from 'vitest';
import { Cursor } from '../../../log/avro/cursor.ts';
import { compileTemporal } from '../../../log/avro/row-temporal.ts';

/** Avro's long: zigzag, seven bits a byte. */
function long(n: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (n << 1n) ^ (n >> 63n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function read(schema: { [field: string]: unknown }, n: bigint): string | undefined {
  const cursor = new Cursor();
  cursor.start(long(n), 0);
  return compileTemporal(schema)!(cursor);
}
const debezium = (name: string) => ({ type: 'long', 'connect.name': `io.debezium.time.${name}` });

test.each<[string, bigint, string | undefined]>([
  ['MicroTimestamp', 1_700_000_000_000_001n, '2023-11-14 22:13:20.000001'],
  ['MicroTimestamp', 0n, '1970-01-01 00:00:00'],
  ['MicroTimestamp', -1n, '1969-12-31 23:59:59.999999'],
  ['MicroTimestamp', -62_135_596_800_000_000n, '0001-01-01 00:00:00'],
  ['MicroTimestamp', -62_135_596_800_000_001n, '0001-12-31 23:59:59.999999 BC'],
  ['MicroTimestamp', 9_223_372_036_825_200_000n, undefined],
  ['Timestamp', 1_700_000_000_120n, '2023-11-14 22:13:20.12'],
  ['NanoTimestamp', 1_700_000_000_000_001_000n, '2023-11-14 22:13:20.000001'],
  ['NanoTimestamp', 1_700_000_000_000_001_001n, undefined],
  ['MicroTime', 86_400_000_000n, '24:00:00'],
  ['MicroTime', 3_723_000_500n, '01:02:03.0005'],
])("Debezium's %s of %d is %s", (name, n, text) => {
  expect(read(debezium(name), n)).toBe(text);
});

test('dates are counted in days', () => {
  expect(read({ type: 'int', logicalType: 'date' }, 19_675n)).toBe('2023-11-14');
  expect(read({ type: 'int', 'connect.name': 'io.debezium.time.Date' }, -1n)).toBe('1969-12-31');
});

test('a plain number is no date', () => {
  expect(compileTemporal({ type: 'long' })).toBeNull();
  expect(compileTemporal({ type: 'string', 'connect.name': 'io.debezium.time.ZonedTimestamp' })).toBeNull();
});
