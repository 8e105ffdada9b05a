import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import type {
  SchemaRegistryAPIClient as Api,
  SchemaRegistryAPIClientArgs,
} from '@kafkajs/confluent-schema-registry/dist/api/index.js';
import pRetry from 'p-retry';
import { type ErrorCode, InsideoutError } from '../../core/errors.ts';
import type { AvroSchema, SchemaRegistry } from './schema-registry.ts';

/**
 * The library's REST client alone. What is around it compiles schemas, which drops the attributes that we add, writes a
 * compatibility rule into each new subject, and loads the parsers of three formats before anything is asked. Required,
 * since the default of a CommonJS module is another thing to each loader of ES modules.
 */
const { default: openApi } = createRequire(import.meta.url)(
  '@kafkajs/confluent-schema-registry/dist/api/index.js',
) as { default: (args: SchemaRegistryAPIClientArgs) => Api };

/** Requests at once: a start registers the schemas of many tables, and the others wait here, not in the registry. */
const atOnce = 16;

function keepingAlive(url: string): HttpAgent {
  const keep = { keepAlive: true, maxSockets: atOnce };
  return url.startsWith('https:') ? new HttpsAgent(keep) : new HttpAgent(keep);
}

export interface RegistryOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/**
 * A Confluent-compatible schema registry. Its own compatibility rules decide; we set none. What answers though it is
 * no registry is told apart from one that has no such schema: `SCHEMA_REGISTRY`, or `SCHEMA_UNREACHABLE` when there
 * was a registry before, since a proxy may have lost it for a while.
 */
export function confluentRegistry(options: RegistryOptions): SchemaRegistry {
  const auth =
    options.username === undefined
      ? {}
      : { auth: { username: options.username, password: options.password ?? '' } };
  const api = openApi({
    host: options.url.replace(/\/$/, ''),
    ...auth,
    agent: keepingAlive(options.url),
    retry: { retries: 2, initialRetryTimeInSecs: 0.1, maxRetryTimeInSecs: 1 },
  });
  const url = withoutPassword(options.url);
  const ids = new Map<string, Promise<number>>();
  const schemas = new Map<number, Promise<AvroSchema>>();
  let met = false;
  const ask = async <T>(work: () => Promise<T>, about: { subject?: string; id?: number }): Promise<T> => {
    try {
      const answer = await work();
      met = true;
      return answer;
    } catch (error) {
      const ours = classify(error, { ...about, url });
      if (!isNoAnswerOfARegistry(error) || (await isRegistry(api))) throw ours;
      throw met ? unreachable(url, error) : noRegistry(url, error);
    }
  };
  return {
    register: (subject, schema) =>
      remembered(ids, `${subject}\n${JSON.stringify(schema)}`, () =>
        ask(() => register(api, subject, JSON.stringify(schema)), { subject }),
      ),
    schema: (id) =>
      remembered(schemas, id, () =>
        ask(
          async () =>
            JSON.parse((await api.Schema.find({ id })).data<{ schema: string }>().schema) as AvroSchema,
          {
            id,
          },
        ),
      ),
  };
}

/** Failures are not remembered: they may pass. */
function remembered<K, V>(cache: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const known = cache.get(key);
  if (known) return known;
  const made = make();
  cache.set(key, made);
  made.catch(() => cache.delete(key));
  return made;
}

/**
 * A refusal is asked about again: while somebody else registers the first schema of the same subject, registries refuse
 * the second as a conflict, be it the same.
 */
async function register(api: Api, subject: string, schema: string): Promise<number> {
  const answer = await pRetry(() => api.Subject.register({ subject, body: { schema } }), {
    retries: 3,
    minTimeout: 50,
    shouldRetry: ({ error }) => refuses(error),
  });
  const { id } = answer.data() as { id?: unknown };
  if (typeof id !== 'number') throw new TypeError('the answer has no id');
  return id;
}

/**
 * True when somebody answered, but with what a registry would not say: no such path, or another form. A 404 that says
 * that there is no such schema is the same to the library, so `isRegistry` must decide.
 */
function isNoAnswerOfARegistry(error: unknown): boolean {
  const status = statusOf(error);
  // The library's 400 is mostly that of a connection that failed.
  if (status === undefined) return true;
  return status < 500 && ![400, 401, 403, 408, 409, 422, 429].includes(status);
}

/**
 * False when the answer to a list of the subjects is none; true also when there is no answer. The prefix keeps the list
 * short: https://docs.confluent.io/platform/current/schema-registry/develop/api.html#get--subjects
 */
async function isRegistry(api: Api): Promise<boolean> {
  try {
    return Array.isArray((await api.Subject.all({ subjectPrefix: '-' })).data());
  } catch (error) {
    return !isNoAnswerOfARegistry(error);
  }
}

function classify(error: unknown, about: { subject?: string; id?: number; url: string }): InsideoutError {
  const status = statusOf(error);
  const make = (code: ErrorCode, message: string, hint: string) =>
    new InsideoutError(code, message, { hint, cause: error });
  if (refuses(error))
    return make(
      'SCHEMA_INCOMPATIBLE',
      `The schema registry refuses the new schema of "${about.subject ?? ''}".`,
      'Undo the column change, relax the compatibility of the subject, or make the change in two steps; then start the source again.',
    );
  if (status === 404 && about.id !== undefined)
    return make(
      'SCHEMA_UNKNOWN',
      `The schema registry has no schema ${about.id}.`,
      'Point `registry` at the one that the records were written with.',
    );
  if (status === 401 || status === 403)
    return make(
      'LOG_AUTH',
      'The schema registry refuses the credentials.',
      "Correct username and password of `registry` in the Log's config.",
    );
  return unreachable(about.url, error);
}

const refuses = (error: unknown): boolean => [409, 422].includes(statusOf(error) ?? 0);

const unreachable = (url: string, cause: unknown): InsideoutError =>
  new InsideoutError('SCHEMA_UNREACHABLE', `The schema registry at ${url} does not answer.`, {
    hint: "Start it, or correct `registry.url` in the Log's config.",
    cause,
  });

const noRegistry = (url: string, cause: unknown): InsideoutError =>
  new InsideoutError(
    'SCHEMA_REGISTRY',
    `What answers at ${url} is no Confluent-compatible schema registry.`,
    {
      hint: "Correct `registry.url` in the Log's config, with the path if there is one, like /apis/ccompat/v7 for Apicurio.",
      cause,
    },
  );

function withoutPassword(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : undefined;
}
