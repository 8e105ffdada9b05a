import type { Cursor } from './cursor.ts';

type ReadText = (cursor: Cursor) => string | undefined;

const second = 1_000_000n;
const day = 86_400n * second;

/**
 * How Debezium and Kafka Connect write dates and times as numbers, by the schema's `connect.name` or Avro's
 * `logicalType`: what one step of the number is, as microseconds times a numerator over a denominator.
 * https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-temporal-types
 */
const units: Readonly<Record<string, readonly ['date' | 'time' | 'timestamp', bigint, bigint]>> = {
  'io.debezium.time.Date': ['date', day, 1n],
  'org.apache.kafka.connect.data.Date': ['date', day, 1n],
  date: ['date', day, 1n],
  'io.debezium.time.Time': ['time', 1000n, 1n],
  'org.apache.kafka.connect.data.Time': ['time', 1000n, 1n],
  'time-millis': ['time', 1000n, 1n],
  'io.debezium.time.MicroTime': ['time', 1n, 1n],
  'time-micros': ['time', 1n, 1n],
  'io.debezium.time.Timestamp': ['timestamp', 1000n, 1n],
  'org.apache.kafka.connect.data.Timestamp': ['timestamp', 1000n, 1n],
  'timestamp-millis': ['timestamp', 1000n, 1n],
  'io.debezium.time.MicroTimestamp': ['timestamp', 1n, 1n],
  'timestamp-micros': ['timestamp', 1n, 1n],
  'io.debezium.time.NanoTimestamp': ['timestamp', 1n, 1000n],
};

/** Reads a date or time that was written as a number as the text that Postgres prints; null for other schemas. */
export function compileTemporal(schema: { readonly [field: string]: unknown }): ReadText | null {
  const unit = units[String(schema['connect.name'])] ?? units[String(schema.logicalType)];
  if (!unit || (schema.type !== 'int' && schema.type !== 'long')) return null;
  const [kind, numerator, denominator] = unit;
  return (cursor) => {
    const scaled = BigInt(cursor.long()) * numerator;
    if (scaled % denominator !== 0n) return undefined;
    const micros = scaled / denominator;
    if (kind === 'time') return micros < 0n || micros > day ? undefined : timeText(micros);
    const days = floorDiv(micros, day);
    const date = dateText(days);
    if (date === undefined) return undefined;
    const time = kind === 'date' ? '' : ` ${timeText(micros - days * day)}`;
    return `${date.text}${time}${date.era}`;
  };
}

function floorDiv(a: bigint, b: bigint): bigint {
  return a / b - (a % b < 0n ? 1n : 0n);
}

/** Undefined outside of what JavaScript can count, among it what Debezium writes for infinity. */
function dateText(days: bigint): { text: string; era: string } | undefined {
  const date = new Date(Number(days) * 86_400_000);
  if (Number.isNaN(date.getTime())) return undefined;
  // The year 0 is 1 BC.
  const year = date.getUTCFullYear();
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return {
    text: `${shown}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`,
    era: year > 0 ? '' : ' BC',
  };
}

function timeText(micros: bigint): string {
  const seconds = Number(micros / second);
  const fraction = String(micros % second)
    .padStart(6, '0')
    .replace(/0+$/, '');
  const whole = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

const two = (n: number): string => String(n).padStart(2, '0');
