import type { Row, Value } from './value.ts';
import type { ViewShape } from './view.ts';

/** The end of a row in milliseconds since 1970, rounded up; null when it never ends. Throws TypeError when it cannot be read. */
export type EndOf = (row: Row) => number | null;

/** How the rows of a view end; null when it has no `ttl`. */
export function endOf(shape: ViewShape): EndOf | null {
  if (!shape.ttl) return null;
  const { column, ms } = shape.ttl;
  return (row) => {
    const at = timeOf(row[column] ?? null);
    return at === null ? null : at + ms;
  };
}

/** Beyond it JavaScript's Date does not count; nobody waits for it. */
const endOfDates = 8.64e15;

const form =
  /^(\d{4,6})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(\.\d+)?)?(?:(Z)|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?)?( BC)?$/;

/**
 * A date or timestamp as Postgres or ISO 8601 prints it, in milliseconds since 1970, rounded up. A time without an
 * offset is taken as UTC. Null and `infinity` are null: no time at all; `-infinity` is before every other.
 * https://www.postgresql.org/docs/current/datatype-datetime.html
 */
export function timeOf(value: Value): number | null {
  if (value === null || value === 'infinity') return null;
  if (value === '-infinity') return Number.NEGATIVE_INFINITY;
  const parts = typeof value === 'string' ? form.exec(value) : null;
  if (!parts) throw new TypeError('not a date or a timestamp');
  const [, year, month, day, hour, minute, second, fraction, , sign, offHours, offMinutes, offSeconds, bc] =
    parts;
  const number = (text: string | undefined) => Number(text ?? 0);
  const date = new Date(0);
  // There is no year 0 in Postgres: 1 BC is the year before 1.
  date.setUTCFullYear(bc ? 1 - number(year) : number(year), number(month) - 1, number(day));
  const seconds = (number(hour) * 60 + number(minute)) * 60 + number(second);
  const offset = (number(offHours) * 60 + number(offMinutes)) * 60 + number(offSeconds);
  const digits = (fraction ?? '.').slice(1).padEnd(3, '0');
  const ms = number(digits.slice(0, 3)) + (/[1-9]/.test(digits.slice(3)) ? 1 : 0);
  const local = date.getTime() + seconds * 1000 + ms;
  // A year that Date does not know is far in the future, or as far in the past.
  if (Number.isNaN(local)) return bc ? Number.NEGATIVE_INFINITY : null;
  const time = local - (sign === '-' ? -offset : offset) * 1000;
  return time >= endOfDates ? null : time;
}
