import { SchemaRegistry as Client, type COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type ErrorCode, InsideoutError } from '../../core/errors.ts';
import type { AvroSchema, SchemaRegistry } from './schema-registry.ts';

export interface RegistryOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** A Confluent-compatible schema registry. Its own compatibility rules decide; we set none. */
export function confluentRegistry(options: RegistryOptions): SchemaRegistry {
  const auth =
    options.username === undefined
      ? {}
      : { auth: { username: options.username, password: options.password ?? '' } };
  const client = new Client({
    host: options.url.replace(/\/$/, ''),
    ...auth,
    retry: { retries: 2, initialRetryTimeInSecs: 0.1, maxRetryTimeInSecs: 1 },
  });
  const ids = new Map<string, Promise<number>>();
  const schemas = new Map<number, Promise<AvroSchema>>();
  return {
    register: (subject, schema) =>
      remembered(ids, `${subject}\n${JSON.stringify(schema)}`, async () => {
        try {
          return await register(client, subject, JSON.stringify(schema));
        } catch (error) {
          throw classify(error, { subject, url: options.url });
        }
      }),
    schema: (id) =>
      remembered(schemas, id, async () => {
        try {
          const response = await api(client).Schema.find({ id });
          return JSON.parse(response.data().schema) as AvroSchema;
        } catch (error) {
          throw classify(error, { id, url: options.url });
        }
      }),
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

/** The library's own REST client: its public methods parse schemas, which drops the attributes that we add. */
interface Api {
  readonly Schema: { find(at: { id: number }): Promise<{ data(): { schema: string } }> };
  readonly Subject: {
    config(at: { subject: string }): Promise<{ data(): { compatibilityLevel: COMPATIBILITY } }>;
  };
}

const api = (client: Client): Api => (client as unknown as { api: Api }).api;

async function register(client: Client, subject: string, schema: string): Promise<number> {
  // The library insists on a rule and writes it into a new subject; naming the one that is in force, or none,
  // leaves the rule to the registry.
  const compatibility = await api(client)
    .Subject.config({ subject })
    .then((response) => response.data().compatibilityLevel)
    .catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    });
  const options = { subject, compatibility } as { subject: string; compatibility: COMPATIBILITY };
  return (await client.register({ type: SchemaType.AVRO, schema }, options)).id;
}

function classify(error: unknown, about: { subject?: string; id?: number; url: string }): InsideoutError {
  const status = statusOf(error);
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
  return make(
    'SCHEMA_UNREACHABLE',
    `The schema registry at ${about.url} does not answer.`,
    "Start it, or correct `registry.url` in the Log's config.",
  );
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : undefined;
}
