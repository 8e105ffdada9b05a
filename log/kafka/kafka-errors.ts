import { type ErrorCode, InsideoutError } from '../../core/errors.ts';

/** An error of kafkajs as one of ours, by its class name and the broker's error type. */
export function classifyKafka(error: unknown, doing: string): InsideoutError {
  if (error instanceof InsideoutError) return error;
  const causes = chain(error);
  const types = causes.map((e) => e.type).filter((t) => t !== undefined);
  const names = causes.map((e) => e.name);
  // Of several that were asked for, some may only be there already.
  const topic = causes.find((e) => e.topic !== undefined && e.type !== 'TOPIC_ALREADY_EXISTS')?.topic;
  const make = (code: ErrorCode, message: string, hint: string) =>
    new InsideoutError(code, message, { hint, cause: error });
  if (types.includes('INVALID_PRODUCER_EPOCH') || types.includes('PRODUCER_FENCED'))
    return make(
      'LOG_FENCED',
      `Another process took over while ${doing}.`,
      'Let that process work; if both are meant to run, give them different groups.',
    );
  if (types.some((t) => /MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE/.test(t)))
    return make(
      'LOG_RECORD_TOO_LARGE',
      `Kafka refuses a record as too large while ${doing}.`,
      'Raise max.message.bytes of the topic, or leave the large column out of the publication.',
    );
  if (
    types.some((t) => /AUTHORIZATION_FAILED|SASL_AUTHENTICATION_FAILED|ILLEGAL_SASL/.test(t)) ||
    names.some((n) => /SASL/.test(n))
  )
    return make(
      'LOG_AUTH',
      `Kafka refuses the access while ${doing}${topic === undefined ? '' : ` ("${topic}")`}.`,
      "Correct `sasl` in the Log's config, or grant the principal access to the topics and groups.",
    );
  if (types.includes('UNKNOWN_TOPIC_OR_PARTITION'))
    return make(
      'LOG_TOPIC',
      `Kafka does not have the topic while ${doing}.`,
      'Start the source that writes it first, or correct the name.',
    );
  const refused = types.find((t) =>
    /INVALID_REPLICATION_FACTOR|INVALID_PARTITIONS|INVALID_CONFIG|INVALID_TOPIC|POLICY_VIOLATION/.test(t),
  );
  if (refused !== undefined)
    return make(
      'LOG_TOPIC',
      `Kafka refuses to create ${topic === undefined ? 'a topic' : `the topic "${topic}"`} (${refused}).`,
      refused.startsWith('INVALID_TOPIC')
        ? 'Choose another name for the source or the table, or leave the table out: a topic has a name of at most 249 characters, which differs from those of other topics in more than dots and underscores.'
        : 'Set `replicationFactor` to at most the number of brokers, and check the topic policies.',
    );
  return make(
    'LOG_UNREACHABLE',
    `Kafka does not answer while ${doing}${types[0] ? ` (${types[0]})` : ''}.`,
    "Start Kafka, or correct `brokers` in the Log's config.",
  );
}

/** True when a transaction of the same id is not over yet, or the coordinator is only coming up. */
export const isCoordinatorBusy = (error: unknown): boolean =>
  isCoordinatorComing(error) || chain(error).some(({ type }) => type === 'CONCURRENT_TRANSACTIONS');

/** True when the coordinator of a group or an id is being chosen, or still reads what it must know. */
export function isCoordinatorComing(error: unknown): boolean {
  return chain(error).some(
    ({ type }) =>
      type === 'GROUP_LOAD_IN_PROGRESS' ||
      type === 'GROUP_COORDINATOR_NOT_AVAILABLE' ||
      type === 'NOT_COORDINATOR_FOR_GROUP',
  );
}

/** True for failures that may be gone at the next attempt, a topic that others have only just created among them. */
export const mayPass = (error: unknown): boolean =>
  isTopicMissing(error) || classifyKafka(error, '').code === 'LOG_UNREACHABLE';

/** True when a topic is not there, or not yet. */
export function isTopicMissing(error: unknown): boolean {
  return chain(error).some(({ type }) => type === 'UNKNOWN_TOPIC_OR_PARTITION');
}

/** True when a topic is not shown to us, whether or not it is there. */
export function isTopicHidden(error: unknown): boolean {
  return chain(error).some(({ type }) => type === 'TOPIC_AUTHORIZATION_FAILED');
}

/** True when no topic can have that name. */
export function isTopicInvalid(error: unknown): boolean {
  return chain(error).some(({ type }) => type === 'INVALID_TOPIC_EXCEPTION');
}

/** True when a partition's leader is being chosen, or does not know it yet. */
export function isLeaderComing(error: unknown): boolean {
  return chain(error).some(
    ({ type }) =>
      type === 'NOT_LEADER_FOR_PARTITION' ||
      type === 'LEADER_NOT_AVAILABLE' ||
      type === 'UNKNOWN_TOPIC_OR_PARTITION',
  );
}

interface Cause {
  name: string;
  type: string | undefined;
  topic: string | undefined;
}

/** kafkajs wraps the broker's error in others, by `cause` or `originalError`; several come as `errors`. */
function chain(error: unknown, depth = 0): Cause[] {
  if (typeof error !== 'object' || error === null || depth > 5) return [];
  const e = error as {
    name?: string;
    type?: string;
    topic?: string;
    cause?: unknown;
    originalError?: unknown;
    errors?: unknown[];
  };
  return [
    { name: e.name ?? '', type: e.type, topic: e.topic },
    ...[e.cause, e.originalError, ...(e.errors ?? [])].flatMap((inner) => chain(inner, depth + 1)),
  ];
}
