/** Signs in through Keystone v3 (POST /v3/auth/tokens), with a password or an application credential. */

import { HoldfastError } from '../../errors.ts';
import { dateOf, mayPass, requestIdOf, retryAfterOf } from './answer.ts';
import { chooseEndpoint } from './catalogue.ts';
import type { Connection } from './connection.ts';
import type { Credentials, HowToSignIn, TempAuth } from './credentials/credentials.ts';
import { endpointUrl } from './endpoint.ts';
import { type Answer, exchange } from './exchange.ts';
import { Transient } from './failure.ts';
import { isKeystoneError, readToken } from './keystone-token.ts';
import type { SignedIn } from './sign-in.ts';
import { tokenIn } from './token.ts';

type How = Exclude<HowToSignIn, TempAuth>;

/** One attempt. Throws as signIn. */
export async function signInWithKeystone(
  credentials: Credentials,
  how: How,
  connection: Connection,
  allowedRegions: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<SignedIn> {
  const url = tokensUrl(credentials.authUrl);
  const what = `sign-in at ${url.href}`;
  const answer = await exchange(
    {
      method: 'POST',
      url,
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(requestOf(how))),
      what,
    },
    connection,
    signal,
  );
  judge(answer, what, how);
  const token = readToken(answer, what);
  const { url: storage, region } = chooseEndpoint(token.catalog, {
    region: credentials.region,
    interface: credentials.interface,
    allowedRegions,
  });
  return {
    token: tokenIn(answer.headers['x-subject-token'], what),
    expires: token.expires,
    storageUrl: endpointUrl(storage, connection.insecure, 'the object store in the catalogue of the cloud'),
    region,
    user: token.user,
    date: dateOf(answer.headers),
    roles: token.roles,
  };
}

/** An auth URL is written with or without its version. */
function tokensUrl(authUrl: URL): URL {
  const url = new URL(authUrl);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = `${/\/v3$/.test(path) ? path : `${path}/v3`}/auth/tokens`;
  return url;
}

/** The body of the request (Identity API v3, "Password authentication", "Authenticating with an Application Credential"). */
function requestOf(how: How): unknown {
  if (how.kind === 'password') {
    return {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { ...how.user, password: how.password } },
        },
        scope: { project: how.project },
      },
    };
  }
  return {
    auth: {
      identity: {
        methods: ['application_credential'],
        application_credential: { ...how.which, secret: how.secret },
      },
    },
  };
}

/** Keystone's own words are not shown: it quotes what it was sent when it finds fault with it. */
function judge(answer: Answer, what: string, how: How): void {
  const { status, headers } = answer;
  if (status === 200 || status === 201) return;
  const id = requestIdOf(headers);
  if (mayPass(status)) {
    throw new Transient(`${what}: the server answered ${status}${id}`, { retryAfter: retryAfterOf(headers) });
  }
  throw new HoldfastError('store', refusal(answer, what, how) + id);
}

function refusal({ status, body }: Answer, what: string, how: How): string {
  // An application credential that is not there, or not any more, is 404 with Keystone's own form of an error.
  if (status === 401 || (status === 404 && isKeystoneError(body))) {
    const advice =
      how.kind === 'password'
        ? 'check user, password, domains and project, and that the user has a role in the project'
        : 'look it up with "openstack application credential list", or make a new one';
    return `${what} refused (${status}): the credential of ${who(how)} is wrong, expired or revoked; ${advice}`;
  }
  if (status === 403) return `${what} refused (403) for ${who(how)}: ask whoever runs the cloud`;
  if ([300, 404, 405].includes(status)) {
    return `${what}: the server answered ${status}: the auth URL seems not to be one of Keystone v3; it often ends in :5000/v3 or /identity/v3`;
  }
  if (status === 400) {
    return `${what}: the server did not understand the request (400): check that the auth URL is one of Keystone v3, and the form of ids and names`;
  }
  return `${what}: the server answered ${status}, which is no answer to a sign-in; check the auth URL, or ask whoever runs the cloud`;
}

function who(how: How): string {
  if (how.kind === 'password')
    return `user ${JSON.stringify('id' in how.user ? how.user.id : how.user.name)}`;
  return `application credential ${JSON.stringify('id' in how.which ? how.which.id : how.which.name)}`;
}
