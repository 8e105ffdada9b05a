import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { toInsideoutError } from '../core/errors.ts';
import { isKey } from '../deletes/deletes-topic.ts';
import { newDelete } from '../deletes/topic-deletes.ts';
import type { DeletesDesk } from './deletes-desk.ts';

export interface DeletesApi {
  readonly desk: DeletesDesk;
  /** Name to secret. */
  readonly tokens: Readonly<Record<string, string>>;
}

const maxBytes = 1 << 20;
const maxKeys = 1_000;

/**
 * `DELETE /v1/topics/:topic/keys` with `{ "keys": [{ column: value }] }`. Answers 202 with the ids of the erasures
 * once the tombstones are durable; 401, 404 for a topic that does not exist, 422 for what does not fit, 503 while
 * the Log does not answer, each with one sentence. All keys are deleted or, unless it is a 503, none.
 */
export function serveDeletes(app: Hono, { desk, tokens }: DeletesApi): void {
  const refuse = (c: Context, status: 401 | 404 | 422 | 500 | 503, error: string) =>
    c.json({ error }, status, status === 401 ? { 'www-authenticate': 'Bearer' } : {});
  const tokenOf = (c: Context) => tokenName(c.req.header('authorization'), tokens);
  app.delete(
    '/v1/topics/:topic/keys',
    async (c, next) => {
      if (tokenOf(c) === null) return refuse(c, 401, 'The bearer token is missing or not one of the config.');
      return next();
    },
    bodyLimit({ maxSize: maxBytes, onError: (c) => refuse(c, 422, 'The body is larger than 1 MB.') }),
    async (c) => {
      const keys = ((await c.req.json().catch(() => null)) as { keys?: unknown } | null)?.keys;
      if (!Array.isArray(keys) || keys.length === 0 || keys.length > maxKeys || !keys.every(isKey))
        return refuse(
          c,
          422,
          `The body must be JSON { "keys": [{ column: value }] } with 1 to ${maxKeys} keys.`,
        );
      const via = `token ${tokenOf(c)}`;
      try {
        const erasures = await desk.delete(
          c.req.param('topic'),
          keys.map((key) => newDelete(key, via)),
        );
        return c.json({ erasures: erasures.map(({ id, phase }) => ({ id, phase })) }, 202);
      } catch (cause) {
        const error = toInsideoutError(cause);
        if (error.code === 'LOG_TOPIC') return refuse(c, 404, error.message);
        if (error.code === 'USAGE') return refuse(c, 422, `${error.message} ${error.hint}`);
        return refuse(c, error.retry === 'backoff' ? 503 : 500, error.message);
      }
    },
  );
}

/** Compares with every token, each in constant time, so that nothing is told by how long it takes. */
function tokenName(header: string | undefined, tokens: Readonly<Record<string, string>>): string | null {
  const given = digest(/^Bearer (\S+)$/i.exec(header ?? '')?.[1] ?? '');
  let found: string | null = null;
  for (const [name, secret] of Object.entries(tokens))
    if (timingSafeEqual(given, digest(secret))) found = name;
  return found;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
