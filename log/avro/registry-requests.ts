import { type ClientRequest, Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import pRetry from 'p-retry';

export interface RegistryOptions {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** Something answered, but not with what was asked for. */
export class WrongAnswer extends Error {
  readonly status: number;

  /** `why` is the registry's own sentence, if it gave one. */
  constructor(status: number, why = '') {
    super(`status ${status}${why && `: ${why}`}`);
    this.status = status;
  }
}

/** A start registers the schemas of many tables at once; the others wait here and not in the registry. */
const atOnce = 16;
const answerMs = 10_000;

/**
 * Requests of a registry's REST API, all of which may be repeated: what was not answered, or with 5xx, is asked three
 * times. Errors: `WrongAnswer`; those of the connection as Node gives them.
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
export class RegistryRequests {
  readonly #base: URL;
  readonly #path: string;
  readonly #auth: { readonly auth?: string };
  readonly #agent: HttpAgent;

  constructor({ url, username, password }: RegistryOptions) {
    this.#base = new URL(url);
    this.#path = this.#base.pathname.replace(/\/$/, '');
    this.#auth = username === undefined ? {} : { auth: `${username}:${password ?? ''}` };
    const keep = { keepAlive: true, maxSockets: atOnce };
    this.#agent = this.#base.protocol === 'https:' ? new HttpsAgent(keep) : new HttpAgent(keep);
  }

  get(path: string): Promise<unknown> {
    return this.#repeated('GET', path, null);
  }

  post(path: string, body: unknown): Promise<unknown> {
    return this.#repeated('POST', path, JSON.stringify(body));
  }

  #repeated(method: string, path: string, body: string | null): Promise<unknown> {
    return pRetry(() => this.#ask(method, path, body), {
      retries: 2,
      minTimeout: 100,
      shouldRetry: ({ error }) => !(error instanceof WrongAnswer) || error.status >= 500,
    });
  }

  async #ask(method: string, path: string, body: string | null): Promise<unknown> {
    const { status, content } = await this.#send(method, path, body);
    const answer = parsed(content);
    if (status < 200 || status > 299) throw new WrongAnswer(status, sentenceOf(answer));
    if (answer === undefined) throw new WrongAnswer(status);
    return answer;
  }

  #send(method: string, path: string, body: string | null): Promise<{ status: number; content: string }> {
    const url = new URL(`${this.#path}${path}`, this.#base);
    const type = 'application/vnd.schemaregistry.v1+json';
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const request: ClientRequest = send(
        url,
        {
          method,
          agent: this.#agent,
          timeout: answerMs,
          ...this.#auth,
          headers: {
            accept: `${type}, application/json`,
            ...(body === null ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
          },
        },
        (response) =>
          text(response).then((content) => resolve({ status: response.statusCode ?? 0, content }), reject),
      );
      request.once('timeout', () => request.destroy(new Error(`no answer within ${answerMs} ms`)));
      request.once('error', reject);
      request.end(body);
    });
  }
}

/** Undefined for what is no JSON. */
function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}

function sentenceOf(answer: unknown): string {
  const message = (answer as { message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : '';
}
