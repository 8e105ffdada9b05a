import cassandra from 'cassandra-driver';
import { type ErrorCode, InsideoutError } from '../../../core/errors.ts';

const { responseErrorCodes: codes } = cassandra.types;

/**
 * An error of the driver as one of ours: by the protocol's error code, or the driver's class. What is refused as
 * invalid condemns a record only when it is a row that was written.
 */
export function classifyCassandra(error: unknown, where: string, about: 'row' | 'schema'): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const make = (kind: ErrorCode, message: string, hint: string) =>
    new InsideoutError(kind, message, { hint, cause: error });
  const found = errorsIn(error);
  const code = found.map((e) => e.code).find((c) => typeof c === 'number');
  if (found.some((e) => e.name === 'AuthenticationError') || code === codes.badCredentials)
    return make(
      'STORE_AUTH',
      `Cassandra at ${where} refuses the user or the password.`,
      'Correct username and password of the store.',
    );
  if (code === codes.unauthorized)
    return make(
      'STORE_AUTH',
      `Cassandra at ${where} does not allow an operation.`,
      'Grant the role CREATE, SELECT and MODIFY on the keyspace.',
    );
  const refused =
    code === codes.invalid ||
    code === codes.syntaxError ||
    found.some((e) => e.name === 'TypeError' || e.name === 'RangeError');
  if (refused && about === 'row')
    return make(
      'RECORD_UNSTORABLE',
      `Cassandra at ${where} refuses a row.`,
      'Look at it with `insideout dlq show`; a key may be empty or too large.',
    );
  if (refused || code === codes.configError || code === codes.truncateError)
    return make(
      'STORE_REFUSED',
      `Cassandra at ${where} refuses an operation.`,
      "Check the store's keyspace, dataCenter and replicationFactor.",
    );
  return make(
    'STORE_UNREACHABLE',
    `Cassandra at ${where} does not answer.`,
    'Start Cassandra, or correct contactPoints and dataCenter of the store.',
  );
}

interface Found {
  readonly name?: string;
  readonly code?: unknown;
  readonly innerErrors?: Readonly<Record<string, unknown>>;
}

/** An error and those of the hosts that it sums up. */
function errorsIn(error: unknown): Found[] {
  if (typeof error !== 'object' || error === null) return [];
  const found = error as Found;
  return [found, ...Object.values(found.innerErrors ?? {}).flatMap(errorsIn)];
}
