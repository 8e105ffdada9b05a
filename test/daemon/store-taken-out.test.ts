import { expect, test } from 'vitest';
import type { CheckedConfig } from '../../daemon/config/check.ts';
import { openStore } from '../../daemon/wiring.ts';

test('a store that was taken out of the config while generations are in it is told with the mend', async () => {
  const config = { stores: { other: { kind: 'sqlite', path: 'views.db' } } } as unknown as CheckedConfig;
  await expect(openStore(config, 'local')).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining('"local"'),
    hint: expect.stringMatching(
      /Put it back into `stores`.*retire <view> --force.*retire <view> --store-gone/,
    ),
  });
});
