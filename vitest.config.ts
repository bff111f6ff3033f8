import { defineConfig } from 'vitest/config';

const SERVERS = 'test/**/*.servers.test.ts';

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The servers of a run stop within it.
    teardownTimeout: 60_000,
    pool: 'forks',
    globalSetup: ['test/helpers/stripped.ts'],
    execArgv: [`--import=${new URL('test/helpers/load-stripped.js', import.meta.url).href}`],
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [SERVERS] } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: [SERVERS],
          globalSetup: ['test/helpers/stripped.ts', 'test/servers/global-setup.ts'],
        },
      },
    ],
  },
});
