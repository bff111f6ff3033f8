/** Signs in to a Swift store, once: a token, and where the store is. Trying again is attempts.ts's. */

import { HoldfastError } from '../../errors.ts';
import { refuseRegion } from './catalogue.ts';
import { type Connection, refusePlain } from './connection.ts';
import type { Credentials } from './credentials/credentials.ts';
import { signInWithKeystone } from './keystone.ts';
import { signInWithTempAuth } from './tempauth.ts';

/** What a sign-in gave. */
export interface SignedIn {
  /** Can be sent in a header as it is. Secret. */
  token: string;
  /** When the token ends, by the server's clock; undefined when it does not say. */
  expires: Date | undefined;
  /** The account in the object store, without a slash at the end; https, unless plain http is allowed to it. */
  storageUrl: URL;
  /** Undefined for TempAuth, which knows no regions, and for a cloud whose endpoint has none. */
  region: string | undefined;
  /** Who signed in, for messages. */
  user: string;
  /** The server's clock when it answered. */
  date: Date | undefined;
  /** Names of the user's roles in the project; absent for TempAuth. */
  roles?: string[];
}

/** What the strategy asks of the store that is signed in to. */
export interface Wanted {
  /** The only regions in which the store may lie. */
  allowedRegions?: readonly string[] | undefined;
}

/**
 * One attempt. Nothing is sent to the store itself. Throws Transient for what may pass; HoldfastError `store` when the
 * sign-in is refused or the answer is none, `strategy` when the region or plain http is not allowed, and `interrupted`.
 */
export async function signIn(
  credentials: Credentials,
  connection: Connection,
  want: Wanted,
  signal?: AbortSignal,
): Promise<SignedIn> {
  const { authUrl, how } = credentials;
  refuseUnprovableRegion(credentials, want);
  refusePlain(authUrl, connection.insecure, `the auth URL of ${credentials.source}`);
  if (how.kind === 'tempauth') return await signInWithTempAuth(authUrl, how, connection, signal);
  return await signInWithKeystone(credentials, how, connection, want.allowedRegions, signal);
}

/** Throws HoldfastError `strategy` where it is clear before any sign-in that the store lies in no allowed region. */
export function refuseUnprovableRegion(
  { how, region }: Pick<Credentials, 'how' | 'region'>,
  { allowedRegions }: Wanted,
): void {
  if (allowedRegions === undefined) return;
  if (how.kind === 'tempauth') {
    throw new HoldfastError(
      'strategy',
      'store.swift.allowedRegions cannot be kept with TempAuth, which does not tell where the store lies: sign in through Keystone, or take allowedRegions out',
    );
  }
  if (region !== undefined) refuseRegion(region, allowedRegions);
}
