import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Row, Value } from '../core/value.ts';

/**
 * Keyed hashes of what must not be kept: whoever lacks the secret can neither read an identifier from one nor
 * test a guess. 128 bits of HMAC-SHA-256, as hexadecimal text.
 */
export class KeyHasher {
  /** Prepared once: millions of rows are hashed while they are locked. */
  readonly #secret: KeyObject;

  constructor(secret: Buffer) {
    this.#secret = createSecretKey(secret);
  }

  /** Of a subject's id. */
  subject(subject: string, id: string): string {
    return this.#hash(['subject', subject, id]);
  }

  /** Of a row's key in its topic. The same for a key out of Postgres, the Log or a view: names and texts count. */
  key(topic: string, key: Row): string {
    const parts = ['key', topic];
    for (const name of Object.keys(key).sort()) parts.push(name, keyText(key[name]!));
    return this.#hash(parts);
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
