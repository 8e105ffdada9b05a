import { expect, test } from 'vitest';
import { confluentRegistry } from '../../../log/avro/confluent-registry.ts';
import { servers, uniqueName } from '../../support/servers.ts';

test('processes that begin the same subjects at once all get the same ids', async () => {
  const url = servers().registry;
  for (let i = 0; i < 20; i++) {
    const namespace = uniqueName('race');
    const schema = { type: 'record', name: 'Key', namespace, fields: [{ name: 'id', type: 'long' }] };
    const ids = await Promise.all(
      Array.from({ length: 4 }, () => confluentRegistry({ url }).register(`${namespace}-key`, schema)),
    );
    expect(new Set(ids).size).toBe(1);
  }
});
