import { view } from 'insideout';
import { shop } from './shop.ts';

export default shop(
  view({
    name: 'order_card',
    from: 'shop.public.orders',
    store: 'local',
    key: ['id'],
    reads: { customer_id: 'bigint', status: 'text', amount: 'numeric' },
    columns: { id: 'bigint', customer_id: 'bigint', status: 'text', amount: 'numeric', size: 'text' },
    row: (order) => ({
      ...order,
      status: order.status === 'shipped' ? 'on its way' : order.status,
      size: Number(order.amount) < 50 ? 'small' : 'large',
    }),
  }),
);
