import { view } from 'insideout';
import { shop } from './shop.ts';

export default shop(
  view({
    name: 'order_card',
    from: 'shop.public.orders',
    store: 'local',
    key: ['id'],
    columns: { id: 'bigint', customer_id: 'bigint', status: 'text', amount: 'numeric' },
  }),
);
