/**
 * What becomes of an operation that failed:
 * - `backoff`: it may pass by itself; wait and try again.
 * - `operator`: somebody must act first; the daemon stops with exit code 3 and prints the hint.
 * - `never`: this input can never succeed; a record goes to the dead letters, a command exits with 2.
 */
export type RetryPolicy = 'backoff' | 'operator' | 'never';

/** Every error code, with its retry policy and what it means. docs/errors.md is checked against this table. */
export const errorCodes = {
  CONFIG_INVALID: ['never', 'the configuration file is wrong'],
  USAGE: ['never', 'the command was called wrongly'],
  SOURCE_UNREACHABLE: ['backoff', 'Postgres does not answer'],
  SOURCE_AUTH: ['operator', 'Postgres refused the user or the password'],
  SOURCE_VERSION: ['operator', 'Postgres is older than 15'],
  SOURCE_WAL_LEVEL: ['operator', 'wal_level is not logical'],
  SOURCE_PERMISSION: ['operator', 'the role may not replicate, read a table or create the publication'],
  SOURCE_PUBLICATION_MISSING: ['operator', 'the publication does not exist, or leaves out tables or changes'],
  SOURCE_REPLICA_IDENTITY: ['operator', 'a published table has no usable replica identity'],
  SOURCE_SLOT_LOST: [
    'operator',
    'the slot was invalidated or removed, or is ahead of a restored Log, and changes are missing',
  ],
  SOURCE_SLOT_FOREIGN: ['operator', 'the slot is one of another database, program, standby or Log'],
  SOURCE_SLOT_IN_USE: ['backoff', 'another process reads from the slot'],
  SOURCE_SLOTS_EXHAUSTED: ['operator', 'Postgres has no free replication slot or walsender'],
  SOURCE_PROTOCOL: ['operator', 'Postgres sent what pgoutput does not allow'],
  LOG_UNREACHABLE: ['backoff', 'the Log does not answer'],
  LOG_AUTH: ['operator', 'the Log refused the credentials or the access'],
  LOG_TOPIC: ['operator', 'a topic cannot be created or has the wrong shape'],
  LOG_RECORD_TOO_LARGE: ['never', 'a record is larger than the Log takes'],
  LOG_CLOSED: ['never', 'the Log was used after it was closed'],
  LOG_FENCED: ['operator', 'another process took over the right to append under this id'],
  SCHEMA_INCOMPATIBLE: ['operator', 'the schema registry refused a schema as incompatible'],
  SCHEMA_UNREACHABLE: ['backoff', 'the schema registry does not answer'],
  SCHEMA_REGISTRY: ['operator', 'what answers at `registry.url` is no schema registry'],
  SCHEMA_UNKNOWN: ['never', 'a record names a schema that the registry does not have'],
  RECORD_UNDECODABLE: ['never', 'the bytes of a record are not what its schema says'],
  RECORD_UNCONVERTIBLE: ['never', 'a value does not fit the declared column, or the row function threw'],
  RECORD_UNSTORABLE: ['never', 'the store refuses this one record'],
  STORE_UNREACHABLE: ['backoff', 'a store does not answer, or its file is not there'],
  STORE_AUTH: ['operator', 'a store refused the credentials'],
  STORE_REFUSED: ['operator', 'a store refuses writes (full, read-only, no permission)'],
  VIEW_FENCED: ['operator', 'another materializer took over this partition of the generation'],
  VIEW_CHECKPOINT_GAP: ['operator', 'the Log no longer holds records that the view has not applied'],
  VIEW_SHAPE: ['operator', 'a generation in the store has other columns than the view declares'],
  VIEW_CHANGED: ['operator', 'the definition of a view is not the one that made its generation'],
  VIEW_GATE: ['never', 'a rebuilt view is not ready to be promoted'],
  EFFECT_FAILED: ['backoff', 'the effects function of a view threw'],
  CATALOG_CONFLICT: ['never', 'another process changed the generations at the same time'],
  VIEW_GENERATION_GONE: ['backoff', 'a generation was removed while it was read'],
  READ_TIMEOUT: ['backoff', 'a view did not reach a consistency token in time'],
  VIEW_UNKNOWN: ['never', 'no view has this name'],
  ERASURE_KEY: [
    'operator',
    'the key that signs erasures, or the file of subject keys, is missing, open to others, or cannot be used',
  ],
  ERASURE_UNKNOWN: ['never', 'no erasure has this id'],
  ERASURE_BROKEN: [
    'operator',
    'a certificate or the chain of certificates was altered, or an erased row is back',
  ],
  INTERNAL: ['operator', 'a bug in insideout'],
} as const satisfies Record<string, readonly [RetryPolicy, string]>;
export type ErrorCode = keyof typeof errorCodes;

/**
 * The one error type. `message` is one clear sentence without row values or secrets; `hint` is the mend, one
 * sentence that can be followed. Foreign errors are turned into it once, where they enter, and by SQLSTATE or
 * code, never by their message.
 */
export class InsideoutError extends Error {
  override readonly name = 'InsideoutError';
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }

  get retry(): RetryPolicy {
    return errorCodes[this.code][0];
  }
}

/** True when `error` is ours and has one of the codes (any of ours when none is given). */
export function isInsideoutError(error: unknown, ...codes: ErrorCode[]): error is InsideoutError {
  return error instanceof InsideoutError && (codes.length === 0 || codes.includes(error.code));
}

/** An error of unknown origin as ours: itself when it is ours already, INTERNAL otherwise. */
export function toInsideoutError(error: unknown): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new InsideoutError('INTERNAL', message, {
    hint: 'This is a bug in insideout: please report it with the stack trace that LOG_LEVEL=debug shows.',
    cause: error,
  });
}
