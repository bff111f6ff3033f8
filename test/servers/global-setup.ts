/**
 * One Swift and one Keystone for all test files `*.servers.test.ts` of a run. They start while the first tests run; vitest calls this
 * only where such a file is to run.
 */
import { rmSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { startCloud } from './cloud.ts';
import { serverFolder } from './folder.ts';
import { missingServers } from './missing.ts';
import { announce } from './rendezvous.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where servers are announced; undefined where they cannot be started. */
    servers: string | undefined;
  }
}

/** Called by vitest with the project alone. */
export default async function setup(
  project: Pick<TestProject, 'provide'>,
  missing: readonly string[] = missingServers(),
  env: NodeJS.ProcessEnv = process.env,
): Promise<(() => Promise<void>) | undefined> {
  if (missing.length > 0) {
    const lack = `this machine lacks ${missing.join(', ')}; "npm run packages -- --require" installs them on Debian 12, as root`;
    if (required(env)) throw new Error(`a real Swift and Keystone are required: ${lack}`);
    process.stderr.write(`\nSKIPPED: all tests against a real Swift and a real Keystone: ${lack}\n\n`);
    project.provide('servers', undefined);
    return undefined;
  }
  const folder = serverFolder();
  const cloud = await startCloud();
  const announced = Promise.all([
    announce(folder, 'swift', cloud.swift),
    announce(folder, 'keystone', cloud.keystone),
  ]);
  project.provide('servers', folder);
  return async () => {
    await announced;
    await cloud.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Whether a missing server is a failure: in CI, or where it is asked for. */
function required(env: NodeJS.ProcessEnv): boolean {
  return env.HOLDFAST_REQUIRE_SERVERS === '1' || env.CI === 'true';
}
