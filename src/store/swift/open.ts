/** Puts a Swift store together: credentials → connection → session → client → store. Nothing is asked of the network yet. */
import type { SwiftStore as Choice } from '../../strategy/strategy.ts';
import type { Store } from '../store.ts';
import { type Throttle, worthAtOnce } from '../throttle.ts';
import type { Persistence } from './attempts.ts';
import { SwiftClient, TIMES, type Times } from './client.ts';
import { type Connection, openConnection } from './connection.ts';
import type { Credentials } from './credentials/credentials.ts';
import { findCredentials, type Surroundings } from './credentials/find.ts';
import { type ServerInfo, serverInfo } from './info.ts';
import { Session } from './session.ts';
import { refuseUnprovableRegion, signIn } from './sign-in.ts';
import { SwiftStore } from './swift.ts';

/** What a Swift store is given besides what the strategy says. */
export interface SwiftSurroundings extends Surroundings {
  throttle: Throttle | undefined;
  /** Hears, in one line each, of attempts that failed and are repeated. */
  onRetry: (line: string) => void;
  /** Where a request is to be given up sooner than usual. */
  times?: Partial<Times>;
  /** Where attempts go by another clock than the machine's. */
  pace?: Partial<Pick<Persistence, 'now' | 'random' | 'sleep'>>;
}

/** A Swift store with the parts that a look behind it takes. */
export interface OpenedSwift {
  store: Store;
  credentials: Credentials;
  connection: Connection;
  session: Session;
  client: SwiftClient;
  persistence: Persistence;
  info: () => Promise<ServerInfo | undefined>;
}

/** Bulk deletions of more names take longer than some proxies wait for an answer. */
const MOST_NAMES = 1000;

/** Opens a Swift store. Errors: `strategy`, for credentials that are not there, not whole or not allowed. */
export async function openSwift(choice: Choice, surroundings: SwiftSurroundings): Promise<OpenedSwift> {
  const credentials = await findCredentials(choice, surroundings);
  const wanted = { allowedRegions: choice.allowedRegions };
  refuseUnprovableRegion(credentials, wanted);
  const connection = await openConnection(credentials);
  const ended = new AbortController();
  const persistence: Persistence = {
    deadline: choice.deadline,
    now: () => performance.now(),
    random: Math.random,
    signal: ended.signal,
    onRetry: surroundings.onRetry,
    ...surroundings.pace,
  };
  const session = new Session(() => signIn(credentials, connection, wanted, ended.signal), persistence.now);
  const client = new SwiftClient(session, connection, ended.signal, { ...TIMES, ...surroundings.times });
  const ask = async () => serverInfo((await session.ticket()).storageUrl, connection, ended.signal);
  let info: Promise<ServerInfo | undefined> | undefined;
  // Many servers hide it, and nothing depends on it.
  const known = () => (info ??= ask().catch(() => undefined));
  const store = new SwiftStore({
    container: choice.container,
    prefix: choice.prefix,
    uploads: worthAtOnce(choice.uploads, surroundings.throttle),
    session,
    client,
    persistence,
    throttle: surroundings.throttle,
    bulkLimit: async () => {
      const most = (await known())?.bulkDeletes;
      return most === undefined ? undefined : Math.min(most, MOST_NAMES);
    },
    end: () => {
      ended.abort();
      connection.close();
    },
  });
  return { store, credentials, connection, session, client, persistence, info: known };
}
