import { defineConfig, embedded, postgres, sqlite, view } from 'insideout';

const folder = process.env.SHOP_FOLDER ?? '.insideout';

/** The shop of the demo: four tables, four lean views, no server but Postgres. */
export default defineConfig({
  sources: {
    shop: postgres({
      url: process.env.SHOP_DATABASE_URL ?? '',
      tables: ['public.customers', 'public.products', 'public.orders', 'public.payments'],
    }),
  },
  log: embedded({ path: `${folder}/log.db` }),
  stores: { local: sqlite({ path: `${folder}/views.db` }) },
  views: [
    view({
      name: 'customer_card',
      from: 'shop.public.customers',
      store: 'local',
      key: ['id'],
      reads: { id: 'bigint', name: 'text', email: 'text', created_at: 'timestamp' },
      columns: { id: 'bigint', name: 'text', email: 'text', since: 'timestamp' },
      row: (c) => ({ name: c.name, email: c.email?.toLowerCase() ?? null, since: c.created_at }),
    }),
    view({
      name: 'product_price',
      from: 'shop.public.products',
      store: 'local',
      key: { sku: 'sku' },
      columns: { sku: 'text', title: 'text', price: 'numeric', tags: 'array' },
    }),
    view({
      name: 'open_order',
      from: 'shop.public.orders',
      store: 'local',
      key: ['id'],
      columns: {
        id: 'bigint',
        customer_id: 'bigint',
        status: 'text',
        amount: 'numeric',
        updated_at: 'timestamp',
      },
      // An order that is done leaves the view.
      row: (order) => (order.status === 'done' ? null : order),
    }),
    view({
      name: 'payment',
      from: 'shop.public.payments',
      store: 'local',
      key: ['order_id', 'no'],
      columns: { order_id: 'bigint', no: 'int', amount: 'numeric', paid_at: 'timestamp' },
    }),
  ],
  http: false,
});
