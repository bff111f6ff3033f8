/** Swift stores for tests: in a container of their own, signed in to with given variables. */
import { randomUUID } from 'node:crypto';
import { type OpenedSwift, openSwift, type SwiftSurroundings } from '../../../src/store/swift/open.ts';
import type { Throttle } from '../../../src/store/throttle.ts';
import type { SwiftStore } from '../../../src/strategy/strategy.ts';
import type { SwiftAddress } from '../../servers/swift.ts';

/** What a store is opened with, besides the variables. */
export interface Opening
  extends Partial<Omit<SwiftStore, 'kind'>>,
    Pick<SwiftSurroundings, 'times' | 'pace'> {
  throttle?: Throttle;
  /** Hears of the attempts that are repeated. */
  retries?: string[];
}

/** A Swift store, not yet prepared; in a new container unless one is named. */
export async function openTestSwift(env: NodeJS.ProcessEnv, opening: Opening = {}): Promise<OpenedSwift> {
  const { throttle, retries, times = {}, pace = {}, ...choice } = opening;
  return openSwift(
    { kind: 'swift', container: `test-${randomUUID()}`, prefix: '', uploads: 4, deadline: 20_000, ...choice },
    {
      env,
      cwd: '/nonexistent',
      home: '/nonexistent',
      throttle,
      onRetry: (line) => retries?.push(line),
      times,
      pace,
    },
  );
}

/** The variables of TempAuth's first administrator; `authUrl` is another way to the same server. */
export function tempAuthEnv({
  authUrl,
  user,
  key,
}: Pick<SwiftAddress, 'authUrl' | 'user' | 'key'>): NodeJS.ProcessEnv {
  return { ST_AUTH: authUrl, ST_USER: user, ST_KEY: key };
}
