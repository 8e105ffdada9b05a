import { defineConfig, embedded, postgres, sqlite, type ViewDeclaration, view } from 'insideout';

const folder = process.env.SHOP_FOLDER ?? '.insideout';

/** All of the config but the view that is going to change. */
export const shop = (orderCard: ViewDeclaration) =>
  defineConfig({
    sources: {
      shop: postgres({
        url: process.env.SHOP_DATABASE_URL ?? '',
        tables: ['public.customers', 'public.orders'],
      }),
    },
    log: embedded({ path: `${folder}/log.db` }),
    stores: { local: sqlite({ path: `${folder}/views.db` }) },
    views: [
      orderCard,
      // Fed by the other view, so it is rebuilt and promoted together with it.
      view({
        name: 'open_order',
        from: { view: 'order_card' },
        store: 'local',
        key: ['id'],
        columns: { id: 'bigint', customer_id: 'bigint', status: 'text', amount: 'numeric' },
        row: (order) => (order.status === 'done' ? null : order),
      }),
      // Has nothing to do with either, and is not touched.
      view({
        name: 'customer_card',
        from: 'shop.public.customers',
        store: 'local',
        key: ['id'],
        columns: { id: 'bigint', name: 'text', email: 'text' },
      }),
    ],
    // Slowly, so that there is something to see; without it as fast as it goes.
    rebuild: { maxRecordsPerSecond: 2_500, steadyMs: 1_000 },
    http: false,
  });
