import { cassandra, defineConfig, embedded, kafka, postgres, redis, sqlite, view } from 'insideout';
import type { StackPlaces } from './stack.ts';

const { SHOP_FOLDER: folder = '.insideout', SHOP_DATABASE_URL: url = '', SHOP_STACK: stack } = process.env;
/** With `--stack` the addresses of its servers, and names that are nobody else's. */
const servers = stack === undefined ? null : (JSON.parse(stack) as StackPlaces);
const local = sqlite({ path: `${folder}/views.db` });

/** A shop whose customers can be erased. */
export default defineConfig({
  namespace: servers?.name ?? 'insideout',
  sources: {
    [servers?.name ?? 'shop']: postgres({
      url,
      tables: ['public.customers', 'public.orders', 'public.payments'],
      partitions: 2,
    }),
  },
  log: servers
    ? kafka({ brokers: [servers.kafka], registry: { url: servers.registry } })
    : embedded({ path: `${folder}/log.db` }),
  stores: {
    local,
    cache: servers ? redis({ url: servers.redis, prefix: `${servers.name}:` }) : local,
    wide: servers
      ? cassandra({
          contactPoints: [servers.cassandra],
          dataCenter: servers.dataCenter,
          keyspace: servers.name,
        })
      : local,
  },
  views: [
    view({
      name: 'customer_card',
      from: `${servers?.name ?? 'shop'}.public.customers`,
      store: 'cache',
      key: ['id'],
      reads: { id: 'bigint', name: 'text', email: 'text', notes: 'text' },
      columns: { id: 'bigint', name: 'text', email: 'text', vip: 'boolean' },
      // Notes should be JSON. Where they are not this throws, and the record becomes a dead letter.
      row: (c) => ({ ...c, vip: c.notes === null ? false : JSON.parse(c.notes).vip === true }),
    }),
    view({
      name: 'order_card',
      from: `${servers?.name ?? 'shop'}.public.orders`,
      store: 'wide',
      key: ['id'],
      columns: { id: 'bigint', customer_id: 'bigint', status: 'text', amount: 'numeric' },
    }),
    view({
      name: 'open_order',
      from: { view: 'order_card' },
      store: 'local',
      key: ['id'],
      columns: { id: 'bigint', customer_id: 'bigint', amount: 'numeric' },
      reads: { id: 'bigint', customer_id: 'bigint', amount: 'numeric', status: 'text' },
      row: (order) => (order.status === 'done' ? null : order),
    }),
    view({
      name: 'payment',
      from: `${servers?.name ?? 'shop'}.public.payments`,
      store: 'local',
      key: ['order_id', 'no'],
      columns: { order_id: 'bigint', no: 'int', amount: 'numeric' },
    }),
  ],
  subjects: {
    customer: {
      source: servers?.name ?? 'shop',
      is: ['public.customers.id', 'public.orders.customer_id', 'public.payments.order_id -> public.orders'],
    },
  },
  erasure: { key: `${folder}/erasure-key.pem` },
  rebuild: { steadyMs: 300 },
  http: false,
});
