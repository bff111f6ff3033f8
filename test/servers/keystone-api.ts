/** The requests to Keystone that tests need (OpenStack Identity API v3): sign in, set up, application credentials. Starts nothing. */

/** A person of Keystone, in the domain `Default`. */
export interface KeystoneUser {
  id: string;
  name: string;
  password: string;
}

export interface ApplicationCredential {
  id: string;
  name: string;
  secret: string;
}

/** How to reach a Keystone, and what is in it: plain data, which can be handed to another process. */
export interface KeystoneAddress {
  /** `http://…/v3`. */
  authUrl: string;
  /** Both have endpoints of Swift, if it offers one. */
  regions: readonly [string, string];
  project: { id: string; name: string };
  /** Has the role `member`, to which everything in the project's Swift account is open. */
  user: KeystoneUser;
  /** Has the role `reader`: in Swift, only what a container's ACL grants (`<project id>:<user id>`). */
  ordinary: KeystoneUser;
  /** The password of `admin` in the project `admin`. */
  adminPassword: string;
}

export interface KeystoneToken {
  token: string;
  /** As Keystone answers, in ISO 8601. */
  expiresAt: string;
  catalog: readonly {
    type: string;
    endpoints: readonly { interface: string; region: string; url: string }[];
  }[];
}

/** An answer that is not 2xx. */
export class KeystoneRefused extends Error {
  override readonly name = 'KeystoneRefused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Signs in with a password, for a project. */
export function signIn(authUrl: string, name: string, password: string, project: string) {
  const domain = { name: 'Default' };
  return authenticate(authUrl, {
    identity: { methods: ['password'], password: { user: { name, domain, password } } },
    scope: { project: { name: project, domain } },
  });
}

/** Signs in with an application credential, for the project that it was made for. */
export function signInWith(authUrl: string, { id, secret }: ApplicationCredential) {
  return authenticate(authUrl, {
    identity: { methods: ['application_credential'], application_credential: { id, secret } },
  });
}

async function authenticate(authUrl: string, auth: unknown): Promise<KeystoneToken> {
  const { headers, body } = await call<{ token: { expires_at: string; catalog: KeystoneToken['catalog'] } }>(
    'POST',
    `${authUrl}/auth/tokens`,
    undefined,
    { auth },
  );
  const { expires_at: expiresAt, catalog } = body.token;
  return { token: headers.get('x-subject-token') ?? '', expiresAt, catalog };
}

/** What an application credential may ask of a service: nothing else, where it has any of these. */
export interface AccessRule {
  service: 'object-store';
  method: string;
  /** `*` stands for a part of it, `**` for any number of parts. */
  path: string;
}

/** Makes an application credential of the user, for the project; by default it never expires. */
export async function createApplicationCredential(
  { authUrl, user, project }: Pick<KeystoneAddress, 'authUrl' | 'user' | 'project'>,
  name: string,
  expiresAt?: Date,
  accessRules?: readonly AccessRule[],
): Promise<ApplicationCredential> {
  const { token } = await signIn(authUrl, user.name, user.password, project.name);
  const url = `${authUrl}/users/${user.id}/application_credentials`;
  const { body } = await call<{ application_credential: ApplicationCredential }>('POST', url, token, {
    application_credential: {
      name,
      ...(expiresAt && { expires_at: expiresAt.toISOString() }),
      ...(accessRules && { access_rules: accessRules }),
    },
  });
  const { id, secret } = body.application_credential;
  return { id, name, secret };
}

/** Revokes it, and the tokens that came of it. */
export async function revokeApplicationCredential(
  { authUrl, user, project }: KeystoneAddress,
  id: string,
): Promise<void> {
  const { token } = await signIn(authUrl, user.name, user.password, project.name);
  await call('DELETE', `${authUrl}/users/${user.id}/application_credentials/${id}`, token);
}

/** Makes a thing of a `kind` (`user`, `project`, …) and returns its id. */
export async function create(
  authUrl: string,
  token: string,
  kind: string,
  properties: Record<string, unknown>,
): Promise<string> {
  const { body } = await call<Record<string, { id: string }>>('POST', `${authUrl}/${kind}s`, token, {
    [kind]: properties,
  });
  return body[kind]?.id ?? '';
}

/** Gives a user of a project one of the roles that are there from the start. */
export async function grant(
  authUrl: string,
  token: string,
  project: string,
  user: string,
  role: 'member' | 'reader',
): Promise<void> {
  const { body } = await call<{ roles: { id: string }[] }>('GET', `${authUrl}/roles?name=${role}`, token);
  await call('PUT', `${authUrl}/projects/${project}/users/${user}/roles/${body.roles[0]?.id}`, token);
}

async function call<T>(
  method: string,
  url: string,
  token?: string,
  json?: unknown,
): Promise<{ headers: Headers; body: T }> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { 'x-auth-token': token }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const answer = await response.text();
  if (!response.ok)
    throw new KeystoneRefused(response.status, `${method} ${url}: ${response.status} ${answer}`);
  return { headers: response.headers, body: (answer === '' ? {} : JSON.parse(answer)) as T };
}
