import { expect, test } from 'vitest';
import type { ForeignKey } from '../../connectors/source/erasure.ts';
import { parseSubject } from '../../deletes/subject.ts';
import { rootsOf, suggestSubject } from '../../deletes/suggest.ts';

/** `orders.customer_id>customers.id`, with `+` between columns of one key; `!` marks one that is not the primary key. */
function foreignKeys(...texts: string[]): ForeignKey[] {
  return texts.map((text) => {
    const [, table, columns, parent, parentColumns, other] = /^(\w+)\.([\w+ ]+)>(\w+)\.([\w+ ]+)(!?)$/.exec(
      text,
    )!;
    return {
      name: `${table}_fkey`,
      table: `public.${table}`,
      columns: columns!.split('+'),
      references: { table: `public.${parent}`, columns: parentColumns!.split('+'), primary: other === '' },
      onDelete: 'no action',
    };
  });
}

test('every table that refers to the subject, itself or through others, is listed after what it refers to', () => {
  const { is, leftOut } = suggestSubject(
    'public.customers.id',
    foreignKeys(
      'payments.order_id>orders.id',
      'refunds.payment_id>payments.id',
      'orders.customer_id>customers.id',
      'products.maker_id>makers.id',
      'items.product_id>products.id',
      'items.order_id>orders.id',
    ),
  );
  expect(is).toEqual([
    'public.customers.id',
    'public.orders.customer_id',
    'public.payments.order_id -> public.orders',
    'public.items.order_id -> public.orders',
    'public.refunds.payment_id -> public.payments',
  ]);
  expect(leftOut).toEqual([]);
});

test('what is suggested is what the config can say, with a table that is reached in two ways and other columns', () => {
  const { is } = suggestSubject(
    'public.customers',
    foreignKeys(
      'messages.sender>customers.id',
      'messages.receiver>customers.id',
      'logins.email>customers.email!',
      'payments.customer_id>customers.id',
      'payments.order_no>orders.number!',
      'orders.customer_id>customers.id',
    ),
  );
  expect(is).toEqual([
    'public.customers.id',
    'public.messages.sender',
    'public.messages.receiver',
    'public.logins.email -> public.customers.email',
    'public.payments.customer_id',
    'public.orders.customer_id',
    'public.payments.order_no -> public.orders.number',
  ]);
  expect(parseSubject('customer', { source: 'shop', is }).problems).toEqual([]);
});

test('several columns, circles and names that a line cannot hold are named and left out, with all behind them', () => {
  const { is, leftOut } = suggestSubject(
    'public.customers.id',
    foreignKeys(
      'customers.referrer>customers.id',
      'orders.customer_id>customers.id',
      'customers.last_order>orders.id',
      'items.order_id+shop>orders.id+shop!',
      'notes.item_id>items.id',
      'visits.the customer>customers.id',
    ),
  );
  expect(is).toEqual(['public.customers.id', 'public.orders.customer_id']);
  expect(leftOut.map((text) => text.split(':')[0])).toEqual([
    'public.customers (referrer) -> public.customers refers to rows of its own table',
    'public.visits (the customer) -> public.customers has a name with a space, or a column with a dot, which a line cannot express',
    'public.customers (last_order) -> public.orders closes a circle of foreign keys',
    'public.items (order_id, shop) -> public.orders has several columns, which a line cannot express',
  ]);
  expect(leftOut[3]).toContain('may find rows of other subjects');
});

test('without a table those are proposed that others refer to, and that refer to none but their own and those that refer back', () => {
  expect(
    rootsOf(
      foreignKeys(
        'customers.referrer>customers.id',
        'customers.last_order>orders.id',
        'orders.customer_id>customers.id',
        'items.order_id>orders.id',
        'items.product_id>products.id',
        'nodes.parent>nodes.id',
      ),
    ),
  ).toEqual(['public.customers', 'public.orders', 'public.products']);
});

test('a table that nothing refers to is suggested alone', () => {
  expect(suggestSubject('public.customers.uuid', []).is).toEqual(['public.customers.uuid']);
  expect(suggestSubject('public.customers', []).is).toEqual(['public.customers.id']);
});
