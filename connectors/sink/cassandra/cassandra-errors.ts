import { errors, types } from 'cassandra-driver';
import { type ErrorCode, InsideoutError } from '../../../core/errors.ts';

const codes = types.responseErrorCodes;

/** Server errors that waiting does not mend, by the native protocol's error code; every other may pass. */
const refusals: ReadonlyMap<number, readonly [ErrorCode, string]> = new Map([
  [codes.badCredentials, ['STORE_AUTH', "Correct username and password in the store's config."]],
  [
    codes.unauthorized,
    ['STORE_REFUSED', 'Grant the user CREATE, ALTER, DROP, SELECT and MODIFY on the keyspace.'],
  ],
  [codes.truncateError, ['STORE_REFUSED', 'Look into the log of Cassandra for what holds the table.']],
  [
    codes.invalid,
    [
      'STORE_REFUSED',
      'Check that nobody changed or dropped the tables of insideout, and rebuild the view if so.',
    ],
  ],
  [codes.configError, ['STORE_REFUSED', 'Correct keyspace and replicationFactor in the config.']],
  [codes.syntaxError, ['INTERNAL', 'This is a bug in insideout: please report it.']],
]);

/** An error of Cassandra or of its driver as ours, by class and protocol code. */
export function classifyCassandra(error: unknown, where: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const make = (code: ErrorCode, message: string, hint: string) =>
    new InsideoutError(code, message, { hint, cause: error });
  const cause = decisive(error);
  if (cause instanceof errors.AuthenticationError)
    return make(
      'STORE_AUTH',
      `Cassandra at ${where} refuses the user.`,
      "Correct username and password in the store's config.",
    );
  const code = responseCode(cause);
  const refusal = code === null ? undefined : refusals.get(code);
  if (refusal)
    return make(refusal[0], `Cassandra at ${where} refuses a statement (${name(code)}).`, refusal[1]);
  if (cause instanceof errors.ArgumentError)
    return make(
      'STORE_REFUSED',
      `The driver finds no node of Cassandra at ${where} in the configured data center.`,
      "Correct dataCenter in the store's config; `nodetool status` prints its name.",
    );
  return make(
    'STORE_UNREACHABLE',
    `Cassandra at ${where} does not answer${code === null ? '' : ` (${name(code)})`}.`,
    "Start Cassandra, or correct contactPoints in the store's config.",
  );
}

/**
 * True when the statement itself is to blame: the server calls it invalid (so it does with too large a mutation),
 * or the driver cannot encode a value (it throws plain TypeErrors and RangeErrors then).
 */
export function blamesStatement(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || responseCode(error) === codes.invalid;
}

/** True when the server no longer takes a statement that it had prepared, as after its table was dropped. */
export function lostStatement(error: unknown): boolean {
  return responseCode(decisive(error)) === codes.unprepared;
}

/** True when a table that was just created is not known everywhere in the server yet, among other things. */
export function isSchemaComing(error: unknown): boolean {
  const code = responseCode(decisive(error));
  return code === codes.invalid || code === codes.serverError;
}

/** Without a cause: the server's and the driver's own words quote keys and values. */
export function unstorable(view: string): InsideoutError {
  return new InsideoutError('RECORD_UNSTORABLE', `Cassandra refuses a row of the view "${view}".`, {
    hint: 'Keep the key not empty and under 64 kB, and the row under max_mutation_size, by leaving large columns out.',
  });
}

/** Of several hosts' errors the one that an operator can mend, the first otherwise. */
function decisive(error: unknown): unknown {
  if (!(error instanceof errors.NoHostAvailableError)) return error;
  const inner: unknown[] = Object.values(error.innerErrors ?? {});
  return inner.find(isDecisive) ?? error;
}

function isDecisive(error: unknown): boolean {
  if (error instanceof errors.AuthenticationError || error instanceof errors.ArgumentError) return true;
  const code = responseCode(error);
  return code !== null && (refusals.has(code) || code === codes.unprepared);
}

function responseCode(error: unknown): number | null {
  return error instanceof errors.ResponseError ? error.code : null;
}

const name = (code: number | null): string =>
  Object.entries(codes).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
