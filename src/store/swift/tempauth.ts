/** Signs in with Swift's own authentication, version 1 (TempAuth): secrets and answers travel in headers. */

import { HoldfastError } from '../../errors.ts';
import { dateOf, mayPass, requestIdOf, retryAfterOf } from './answer.ts';
import type { Connection } from './connection.ts';
import type { TempAuth } from './credentials/credentials.ts';
import { endpointUrl } from './endpoint.ts';
import { type Answer, exchange } from './exchange.ts';
import { Transient } from './failure.ts';
import type { SignedIn } from './sign-in.ts';
import { tokenIn } from './token.ts';

/** One attempt. Throws as signIn. */
export async function signInWithTempAuth(
  authUrl: URL,
  { user, key }: TempAuth,
  connection: Connection,
  signal?: AbortSignal,
): Promise<SignedIn> {
  const what = `sign-in at ${authUrl.href}`;
  const answer = await exchange(
    {
      method: 'GET',
      url: authUrl,
      headers: { 'x-auth-user': headerText(user), 'x-auth-key': headerText(key) },
      what,
    },
    connection,
    signal,
  );
  judge(answer, what, user);
  const { headers } = answer;
  const date = dateOf(headers);
  const storage = headers['x-storage-url'];
  if (typeof storage !== 'string' || headers['x-auth-token'] === undefined) {
    throw new HoldfastError(
      'store',
      `${what}: the answer (${answer.status}) has no X-Storage-Url and X-Auth-Token: the URL seems not to be one of TempAuth, which often ends in /auth/v1.0`,
    );
  }
  return {
    token: tokenIn(headers['x-auth-token'], what),
    expires: expiry(headers['x-auth-token-expires'], date),
    storageUrl: endpointUrl(storage, connection.insecure, `the storage URL from ${authUrl.origin}`),
    region: undefined,
    user,
    date,
  };
}

function judge({ status, headers }: Answer, what: string, user: string): void {
  if (status >= 200 && status <= 299) return;
  const id = requestIdOf(headers);
  if (mayPass(status)) {
    throw new Transient(`${what}: the server answered ${status}${id}`, { retryAfter: retryAfterOf(headers) });
  }
  if (status === 401 || status === 403) {
    throw new HoldfastError(
      'store',
      `${what} refused (${status}) for ${JSON.stringify(user)}: user or key is wrong; check ST_USER (account:user) and ST_KEY, or username and password in clouds.yaml${id}`,
    );
  }
  throw new HoldfastError(
    'store',
    `${what}: the server answered ${status}: the URL seems not to be one of TempAuth, which often ends in /auth/v1.0${id}`,
  );
}

/** UTF-8 as Node wants the bytes of a header: one Latin-1 character for each. */
function headerText(text: string): string {
  if (/[\x00-\x1f\x7f]/.test(text)) {
    throw new HoldfastError(
      'strategy',
      'the user or key for TempAuth holds a control character: take it out',
    );
  }
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** TempAuth gives the seconds that remain; with the server's clock they become a time of that clock. */
function expiry(written: string | string[] | undefined, date: Date | undefined): Date | undefined {
  if (typeof written !== 'string' || !/^\d{1,9}$/.test(written) || date === undefined) return undefined;
  return new Date(date.getTime() + Number(written) * 1000);
}
