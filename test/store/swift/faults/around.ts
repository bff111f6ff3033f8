/** A Swift store behind a faulty path before the run's real Swift, with what a test asks of it afterwards. Waits between attempts take no time. */
import { hash } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import { HoldfastError } from '../../../../src/errors.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { OpenedSwift } from '../../../../src/store/swift/open.ts';
import { noise } from '../../../chunk/noise.ts';
import {
  type Action,
  type FaultyPath,
  type Logged,
  type Match,
  signIn,
  startFaultyPath,
  status,
} from '../../../servers/faulty-path.ts';
import type { SwiftAddress } from '../../../servers/swift.ts';
import { type Opening, openTestSwift, tempAuthEnv } from '../opening.ts';

export interface Faulty extends OpenedSwift {
  path: FaultyPath;
  container: string;
  /** The same container without the path: what is really there. */
  truth: Store;
  /** What was said of attempts that were repeated. */
  retries: string[];
  /** The milliseconds between attempts that nobody waited. */
  waits: number[];
  /** Requests that match, since the container was made. */
  requests(match: Match): readonly Readonly<Logged>[];
  /** Makes sure that the store refuses, in one line that names the store and tells no secret. */
  refusal(work: Promise<unknown>): Promise<HoldfastError>;
}

/** Where a test's store differs from the usual one. */
export interface FaultyOpening extends Opening {
  /** Called at each wait between attempts, with its number from 1. */
  atWait?: (number: number) => Promise<void> | void;
  /** The clock by which attempts go, in milliseconds; waits put it forward. */
  clock?: { now: number };
}

/** A store whose container is there, and through whose path nothing has gone wrong yet. */
export async function behindPath(swift: SwiftAddress, opening: FaultyOpening = {}): Promise<Faulty> {
  const { atWait, clock = { now: 0 }, ...rest } = opening;
  const path = await startFaultyPath(swift.proxyPort);
  const container = rest.container ?? `faults-${path.port}-${Date.now()}`;
  const retries: string[] = [];
  const waits: number[] = [];
  const opened = await openTestSwift(tempAuthEnv({ ...swift, authUrl: `${path.url}/auth/v1.0` }), {
    ...rest,
    container,
    retries,
    pace: {
      now: () => clock.now,
      sleep: async (milliseconds) => {
        clock.now += milliseconds;
        waits.push(milliseconds);
        await atWait?.(waits.length);
      },
      ...rest.pace,
    },
  });
  const direct = await openTestSwift(tempAuthEnv(swift), { ...rest, container, deadline: 20_000 });
  await direct.store.prepare();
  await opened.store.check();
  const before = path.requests.length;
  const secrets = () => [swift.key, opened.session.signedIn?.token ?? 'none'];
  const expectNoSecret = (text: string) => {
    for (const secret of secrets()) expect(text).not.toContain(secret);
  };
  onTestFinished(async () => {
    expectNoSecret(retries.join('\n'));
    await Promise.all([opened.store.close(), direct.store.close()]);
    await path.stop();
  });
  return {
    ...opened,
    path,
    container,
    truth: direct.store,
    retries,
    waits,
    requests: (match) => path.requests.slice(before).filter(match),
    async refusal(work) {
      const error = await work.then(
        (value) => expect.fail(`it went well: ${JSON.stringify(value)}`),
        (error: unknown) => error,
      );
      expect(error).toBeInstanceOf(HoldfastError);
      const { message } = error as HoldfastError;
      expect(message).toMatch(new RegExp(`^[^\\n]*(swift:${container}|sign-in at)[^\\n]*$`));
      expectNoSecret(message);
      return error as HoldfastError;
    },
  };
}

/** A body of several pieces for `put`, with its digest. */
export function body(
  length = 300_000,
  seed = 'faults',
): { pieces: Uint8Array[]; whole: Buffer; md5: string } {
  const whole = noise(length, seed);
  const cut = Math.floor(length / 3);
  return { pieces: [whole.subarray(0, cut), whole.subarray(cut)], whole, md5: hash('md5', whole, 'hex') };
}

/** What Swift's own answers are known by; a proxy's page has none of it. */
const SWIFTS = { 'x-trans-id': 'tx0123456789' };

/** An answer of Swift's own with this status, in the server's place. */
export function says(
  code: number,
  headers: Record<string, string> = {},
  content = '<html>no</html>',
): Action {
  return status(code, { headers: { ...SWIFTS, ...headers }, body: content });
}

/** Sign-ins since the container was made. */
export function signIns({ requests }: Pick<Faulty, 'requests'>): number {
  return requests(signIn()).length;
}

/** Statuses with which a server asks for patience, or is unwell. */
export const PASSING = [408, 429, 498, 500, 502, 503, 504, 507];
