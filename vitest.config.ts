import { defineConfig } from 'vitest/config';

const SERVERS = 'test/**/*.servers.test.ts';

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The servers of a run stop within it.
    teardownTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [SERVERS] } },
      {
        extends: true,
        test: { name: 'servers', include: [SERVERS], globalSetup: ['test/servers/global-setup.ts'] },
      },
    ],
  },
});
