import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import type { TopicSpec } from '../log/log.ts';
import { canonical } from './certificate.ts';
import type { GivenValue } from './topic-key.ts';

/** A delete that was asked for over the Log. */
export interface DeleteRequest {
  /** A UUID; it becomes the erasure's id, so that the same request twice is one. */
  readonly id: string;
  readonly topic: string;
  readonly key: Readonly<Record<string, GivenValue>>;
  /** Name of the token that it was signed with. */
  readonly token: string;
}

/** Where deletes are asked for. Holds keys until each was dealt with, then a tombstone in its place. */
export const deletesTopic = (namespace: string): string => `__${namespace}.deletes`;

export const deletesTopicSpec = (namespace: string): TopicSpec => ({
  name: deletesTopic(namespace),
  partitions: 1,
  cleanup: 'compact',
});

/**
 * A record for the topic `__<namespace>.deletes`: JSON `{ id, topic, key, token, signature }` under the id. The
 * signature is HMAC-SHA-256 with the token's secret, as hexadecimal text, over the JSON of the others with sorted
 * names and no white space. To be appended by whoever may delete; replaying it changes nothing.
 */
export function signDelete(
  request: Pick<DeleteRequest, 'topic' | 'key'> & { readonly id?: string },
  token: { readonly name: string; readonly secret: string },
): { key: Buffer; value: Buffer } {
  const { id = randomUUID(), topic, key } = request;
  const signed: DeleteRequest = { id, topic, key, token: token.name };
  const signature = signatureOf(signed, token.secret).toString('hex');
  return { key: Buffer.from(id), value: Buffer.from(JSON.stringify({ ...signed, signature })) };
}

/** The request, or a sentence that says why it is none. No value of a key is in the sentence. */
export function readDelete(value: Buffer, tokens: Readonly<Record<string, string>>): DeleteRequest | string {
  let content: unknown;
  try {
    content = JSON.parse(value.toString());
  } catch {
    return 'It is not JSON.';
  }
  if (typeof content !== 'object' || content === null) return 'It is not a JSON object.';
  const { id, topic, key, token, signature } = content as Record<string, unknown>;
  if (typeof id !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))
    return 'Its id is not a UUID.';
  if (typeof topic !== 'string' || !isKey(key))
    return 'It has no topic, or no key that is an object of values.';
  const secret = typeof token === 'string' && Object.hasOwn(tokens, token) ? tokens[token] : undefined;
  if (secret === undefined) return 'It names no token of the config.';
  const request: DeleteRequest = { id, topic, key, token: token as string };
  const given = Buffer.from(typeof signature === 'string' ? signature : '', 'hex');
  const right = signatureOf(request, secret);
  if (given.length !== right.length || !timingSafeEqual(given, right)) return 'Its signature does not fit.';
  return request;
}

/** A key by the names of its columns. */
export function isKey(key: unknown): key is Readonly<Record<string, GivenValue>> {
  return (
    typeof key === 'object' &&
    key !== null &&
    !Array.isArray(key) &&
    Object.keys(key).length > 0 &&
    Object.values(key).every(
      (value) => value === null || ['string', 'number', 'boolean'].includes(typeof value),
    )
  );
}

const signatureOf = ({ id, topic, key, token }: DeleteRequest, secret: string): Buffer =>
  createHmac('sha256', secret).update(canonical({ id, topic, key, token })).digest();
