import { defineConfig } from 'vitest/config';

const service = 'test/**/*.service.test.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [service],
          testTimeout: 20_000,
          // Vitest leaves one core to itself, which on two cores means one file after the other.
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'service',
          include: [service],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // The servers want the cores, too: more files at once only make each other slow.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
