import { type ErrorCode, InsideoutError } from '../../core/errors.ts';
import { type RegistryOptions, RegistryRequests, WrongAnswer } from './registry-requests.ts';
import type { AvroSchema, SchemaRegistry } from './schema-registry.ts';

export type { RegistryOptions };

/**
 * A Confluent-compatible schema registry. Its own compatibility rules decide; we set none. What answers though it is
 * no registry is told apart from one that has no such schema: `SCHEMA_REGISTRY`, or `SCHEMA_UNREACHABLE` when there
 * was a registry before, since a proxy may have lost it for a while.
 */
export function confluentRegistry(options: RegistryOptions): SchemaRegistry {
  const requests = new RegistryRequests(options);
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
      if (!isNoAnswerOfARegistry(error) || (await isRegistry(requests))) throw ours;
      throw met ? unreachable(url, error) : noRegistry(url, error);
    }
  };
  return {
    register: (subject, schema) =>
      remembered(ids, `${subject}\n${JSON.stringify(schema)}`, () =>
        ask(() => register(requests, subject, schema), { subject }),
      ),
    schema: (id) => remembered(schemas, id, () => ask(() => schemaOf(requests, id), { id })),
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

async function register(requests: RegistryRequests, subject: string, schema: AvroSchema): Promise<number> {
  const answer = await requests.post(`/subjects/${encodeURIComponent(subject)}/versions`, {
    schema: JSON.stringify(schema),
  });
  const id = (answer as { id?: unknown } | null)?.id;
  if (typeof id !== 'number') throw new WrongAnswer(200);
  return id;
}

async function schemaOf(requests: RegistryRequests, id: number): Promise<AvroSchema> {
  const answer = await requests.get(`/schemas/ids/${id}`);
  const schema = (answer as { schema?: unknown } | null)?.schema;
  if (typeof schema !== 'string') throw new WrongAnswer(200);
  return JSON.parse(schema) as AvroSchema;
}

/**
 * True when somebody answered, but with what a registry would not say: no such path, or another form. A 404 that says
 * that there is no such schema looks the same, so `isRegistry` must decide.
 */
function isNoAnswerOfARegistry(error: unknown): boolean {
  if (!(error instanceof WrongAnswer)) return false;
  return error.status < 500 && ![400, 401, 403, 408, 409, 422, 429].includes(error.status);
}

/**
 * False when the answer to a list of the subjects is none; true also when there is no answer. The prefix keeps the list
 * short: https://docs.confluent.io/platform/current/schema-registry/develop/api.html#get--subjects
 */
async function isRegistry(requests: RegistryRequests): Promise<boolean> {
  try {
    return Array.isArray(await requests.get('/subjects?subjectPrefix=-'));
  } catch (error) {
    return !isNoAnswerOfARegistry(error);
  }
}

function classify(error: unknown, about: { subject?: string; id?: number; url: string }): InsideoutError {
  const status = error instanceof WrongAnswer ? error.status : undefined;
  const make = (code: ErrorCode, message: string, hint: string) =>
    new InsideoutError(code, message, { hint, cause: error });
  if (status === 409 || status === 422)
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
