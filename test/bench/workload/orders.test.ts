import { expect, test } from 'vitest';
import { orderRow, ordersColumns } from '../../../bench/workload/orders.ts';

test('a row has the columns of the table and about 200 bytes', () => {
  const row = orderRow(123_456);
  expect(Object.keys(row)).toEqual(Object.keys(ordersColumns));
  expect(row.note).toHaveLength(110);
  const bytes = Object.values(row).join('').length;
  expect(bytes).toBeGreaterThan(170);
  expect(bytes).toBeLessThan(230);
});
