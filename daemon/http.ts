import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { InsideoutError } from '../core/errors.ts';
import { type DeletesApi, serveDeletes } from './deletes-api.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';

export interface RunningHttp {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves `/healthz`, `/readyz` and `/metrics`, and deletes where they are configured. Errors: `CONFIG_INVALID` when the port is taken. */
export function serveHttp(
  options: { host: string; port: number },
  parts: { health: Health; metrics: Metrics; deletes?: DeletesApi | null },
): Promise<RunningHttp> {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ ok: true }));
  app.get('/readyz', (c) => {
    const waitingFor = parts.health.notReady();
    const { erasures, stopped } = parts.health;
    const ready = waitingFor.length === 0;
    const stoppedTables = stopped.length > 0 ? { stoppedTables: stopped } : {};
    return c.json(
      { ready, waitingFor, ...stoppedTables, ...(erasures ? { erasures } : {}) },
      ready ? 200 : 503,
    );
  });
  app.get('/metrics', async (c) =>
    c.body(await parts.metrics.text(), 200, {
      'content-type': parts.metrics.contentType,
    }),
  );
  if (parts.deletes) serveDeletes(app, parts.deletes);
  return new Promise((resolve, reject) => {
    const server = serve(
      { fetch: app.fetch, hostname: options.host, port: options.port },
      (info: AddressInfo) =>
        resolve({
          url: `http://${options.host}:${info.port}`,
          close: () =>
            new Promise((done) => {
              server.close(() => done());
              if ('closeAllConnections' in server) server.closeAllConnections();
            }),
        }),
    );
    server.once('error', (error: Error & { code?: string }) =>
      reject(
        new InsideoutError(
          'CONFIG_INVALID',
          `The port ${options.port} on ${options.host} cannot be used (${error.code}).`,
          {
            hint: 'Give another with `http: { port }` or --http-port, 0 for any, or switch it off with `http: false`.',
            cause: error,
          },
        ),
      ),
    );
  });
}
