/**
 * The run's Swift and Keystone, for test files `*.servers.test.ts`. All of them share these two: a test works in a container of its own,
 * and one that stops a server or makes tokens invalid starts its own.
 */
import { beforeAll, describe, inject } from 'vitest';
import type { KeystoneAddress } from './keystone-api.ts';
import { meet } from './rendezvous.ts';
import type { SwiftAddress } from './swift.ts';

const START_MS = 300_000;
const folder = inject('servers');

/** Tests that start servers of their own. */
export const describeWithServers = describe.skipIf(folder === undefined);

/** Tests against the run's Swift. `swift` can be called in hooks and tests. */
export function describeWithSwift(name: string, tests: (swift: () => SwiftAddress) => void): void {
  describeWithServers(name, () => {
    let swift: SwiftAddress;
    beforeAll(async () => {
      swift = await meet(folder ?? '', 'swift');
    }, START_MS);
    tests(() => swift);
  });
}

/** Tests against the run's Keystone and the Swift that it offers. `servers` can be called in hooks and tests. */
export function describeWithKeystone(
  name: string,
  tests: (servers: () => { keystone: KeystoneAddress; swift: SwiftAddress }) => void,
): void {
  describeWithServers(name, () => {
    let servers: { keystone: KeystoneAddress; swift: SwiftAddress };
    beforeAll(async () => {
      const [swift, keystone] = [await meet(folder ?? '', 'swift'), await meet(folder ?? '', 'keystone')];
      servers = { swift, keystone };
    }, START_MS);
    tests(() => servers);
  });
}
