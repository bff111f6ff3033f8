/** Containers set up as docs/operations.md says, and the two credentials: the host's, and the second one, which owns them. */
import { expect } from 'vitest';
import {
  type AccessRule,
  createApplicationCredential,
  type KeystoneAddress,
  signIn,
  signInWith,
} from '../../servers/keystone-api.ts';
import type { SwiftAddress } from '../../servers/swift.ts';
import { tempAuthEnv } from './opening.ts';
import { Account } from './thief.ts';

/** Who can do what: the host's credential, and the second one, each in an environment and signed in. */
export interface Parties {
  hostEnv: NodeJS.ProcessEnv;
  host: Account;
  ownerEnv: NodeJS.ProcessEnv;
  owner: Account;
  /** The host's user, as an ACL names it. */
  acl: string;
}

/** TempAuth: an ordinary user, and the administrator of the account. */
export async function tempAuth(swift: SwiftAddress): Promise<Parties> {
  const ordinary = swift.logins.find(({ admin }) => !admin);
  if (ordinary === undefined) throw new Error('the Swift has no ordinary user');
  return {
    hostEnv: tempAuthEnv({ ...swift, ...ordinary }),
    host: await Account.enter(swift.authUrl, ordinary.user, ordinary.key),
    ownerEnv: tempAuthEnv(swift),
    owner: await Account.enter(swift.authUrl, swift.user, swift.key),
    acl: ordinary.user,
  };
}

/** What the host needs of the object store: no more than this. */
export function accessRules(projectId: string, container: string): AccessRule[] {
  const path = `/v1/AUTH_${projectId}/${container}`;
  const rule = (method: string, path: string): AccessRule => ({ service: 'object-store', method, path });
  return [rule('GET', path), ...['GET', 'HEAD', 'PUT', 'DELETE'].map((method) => rule(method, `${path}/**`))];
}

/** Keystone: a user without a role that Swift knows, by an application credential that may ask for little; and a member of the project. */
export async function keystone(at: KeystoneAddress, container: string): Promise<Parties> {
  const { authUrl, project, regions, user, ordinary } = at;
  const rules = accessRules(project.id, container);
  const credential = await createApplicationCredential(
    { ...at, user: ordinary },
    container,
    undefined,
    rules,
  );
  const [hostToken, ownerToken] = await Promise.all([
    signInWith(authUrl, credential),
    signIn(authUrl, user.name, user.password, project.name),
  ]);
  const url = (token: typeof hostToken) =>
    token.catalog.find(({ type }) => type === 'object-store')?.endpoints[0]?.url ?? '';
  const common = { OS_AUTH_URL: authUrl, OS_REGION_NAME: regions[0] };
  return {
    hostEnv: {
      ...common,
      OS_APPLICATION_CREDENTIAL_ID: credential.id,
      OS_APPLICATION_CREDENTIAL_SECRET: credential.secret,
    },
    host: new Account(url(hostToken), hostToken.token),
    ownerEnv: {
      ...common,
      OS_USERNAME: user.name,
      OS_PASSWORD: user.password,
      OS_PROJECT_NAME: project.name,
    },
    owner: new Account(url(ownerToken), ownerToken.token),
    acl: `${project.id}:${ordinary.id}`,
  };
}

/** Makes the container as docs/operations.md says, with its history beside it. */
export async function makeContainers(
  { owner, acl }: Parties,
  container: string,
  headers: Record<string, string>,
): Promise<void> {
  expect((await owner.ask('PUT', `${container}-history`)).status).toBe(201);
  const rights = { 'x-container-read': acl, 'x-container-write': acl };
  expect((await owner.ask('PUT', container, { ...rights, ...headers })).status).toBe(201);
}
