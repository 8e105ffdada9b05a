import { defineConfig } from 'vitest/config';

const service = 'test/**/*.service.test.ts';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: [service], testTimeout: 20_000 } },
      {
        test: {
          name: 'service',
          include: [service],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 90_000,
          hookTimeout: 90_000,
          // Two cores: more files at once only make each other slow.
          maxWorkers: 2,
        },
      },
    ],
  },
});
