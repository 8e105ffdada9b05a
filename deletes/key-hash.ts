import { createHmac } from 'node:crypto';
import type { Row, Value } from '../core/value.ts';

/**
 * Keyed hashes of what must not be kept: whoever lacks the secret can neither read an identifier from one nor
 * test a guess. 128 bits of HMAC-SHA-256, as hexadecimal text.
 */
export class KeyHasher {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** Of a subject's id. */
  subject(subject: string, id: string): string {
    return this.#hash(['subject', subject, id]);
  }

  /** Of a row's key in its topic. The same for a key out of Postgres, the Log or a view: names and texts count. */
  key(topic: string, key: Row): string {
    const parts = Object.entries(key)
      .map(([name, value]) => [name, keyText(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return this.#hash(['key', topic, ...parts.flat()]);
  }

  #hash(parts: readonly string[]): string {
    return createHmac('sha256', this.#secret).update(JSON.stringify(parts)).digest('hex').slice(0, 32);
  }
}

/** A key's value as Postgres' `::text` writes it, whatever type the view declares for it. */
export function keyText(value: Value): string {
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
