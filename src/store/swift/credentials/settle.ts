/** Written credentials → a way to sign in, or what is missing or does not fit. Pure. */

import type { HowToSignIn, KeystoneDomain, KeystoneProject, KeystoneUser } from './credentials.ts';
import { AUTH_KEYS, type AuthKey, type Written, wrongCredentials } from './written.ts';

/** No value is longer than this many characters. */
const LONGEST = 4096;

type Kind = HowToSignIn['kind'];

const KINDS: Record<string, Kind> = {
  password: 'password',
  v3password: 'password',
  v3applicationcredential: 'application-credential',
  v1password: 'tempauth',
};

/** Where and how to sign in. Throws HoldfastError `strategy`, which names all that is missing together. */
export function settle(written: Written): { authUrl: URL; how: HowToSignIn } {
  refuseUnfit(written);
  const kind = kindOf(written);
  const how =
    kind === 'tempauth' ? tempAuth(written) : kind === 'password' ? password(written) : application(written);
  return { authUrl: authUrl(written, kind), how };
}

function refuseUnfit({ values, source, nameOf }: Written): void {
  for (const key of AUTH_KEYS) {
    const value = values[key];
    if (value === undefined) continue;
    if (/[\x00-\x1f\x7f]/.test(value)) {
      throw wrongCredentials(source, `${nameOf(key)} holds a control character: take it out`);
    }
    if (value.length > LONGEST) {
      throw wrongCredentials(
        source,
        `${nameOf(key)} is longer than ${LONGEST} characters: this cannot be right`,
      );
    }
  }
}

function kindOf({ authType, values, source, nameOf }: Written): Kind {
  if (authType !== undefined) {
    const kind = Object.hasOwn(KINDS, authType) ? KINDS[authType] : undefined;
    if (kind !== undefined) return kind;
    throw wrongCredentials(
      source,
      `this ${nameOf('auth_type')} is not supported: Holdfast signs in with ${Object.keys(KINDS).join(', ')}`,
    );
  }
  const application = values.application_credential_id ?? values.application_credential_name;
  const secret = values.application_credential_secret;
  if (application === undefined && secret === undefined) return 'password';
  if (values.password === undefined) return 'application-credential';
  throw wrongCredentials(
    source,
    `holds both a password and an application credential: keep one, or say which with ${nameOf('auth_type')} (v3password or v3applicationcredential)`,
  );
}

/** The values of keys that must all be there; a key with alternatives is there when one of them is. */
function need(written: Written, ...wanted: [AuthKey, ...AuthKey[]][]): void {
  const missing = wanted
    .filter((keys) => keys.every((key) => written.values[key] === undefined))
    .map((keys) => {
      const names = keys.map((key) => written.nameOf(key)).join(' or ');
      const elsewhere = written.elsewhere(keys[0]);
      return elsewhere === undefined ? names : `${names} (${elsewhere})`;
    });
  if (missing.length === 0) return;
  throw wrongCredentials(
    written.source,
    `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing: add what is missing, or take the rest out`,
  );
}

function tempAuth(written: Written): HowToSignIn {
  need(written, ['auth_url'], ['username'], ['password']);
  const { auth_url: _, username, password: key, ...others } = written.values;
  const strange = Object.keys(others)[0] as AuthKey | undefined;
  if (strange !== undefined) {
    throw wrongCredentials(
      written.source,
      `${written.nameOf(strange)} means nothing to TempAuth (v1password), which knows auth_url, username and password alone: take it out`,
    );
  }
  return { kind: 'tempauth', user: username!, key: key! };
}

function password(written: Written): HowToSignIn {
  need(written, ['auth_url'], ['username', 'user_id'], ['password'], ['project_name', 'project_id']);
  const { values } = written;
  const strange = (
    ['application_credential_id', 'application_credential_name', 'application_credential_secret'] as const
  ).find((key) => values[key] !== undefined);
  if (strange !== undefined) {
    throw wrongCredentials(
      written.source,
      `${written.nameOf(strange)} does not go with ${written.nameOf('auth_type')} password: keep one of them`,
    );
  }
  const project: KeystoneProject =
    values.project_id !== undefined
      ? { id: values.project_id }
      : { name: values.project_name!, domain: domain(written, 'project') };
  return { kind: 'password', user: user(written), password: values.password!, project };
}

function application(written: Written): HowToSignIn {
  const { values } = written;
  need(
    written,
    ['auth_url'],
    ['application_credential_id', 'application_credential_name'],
    ['application_credential_secret'],
  );
  const id = values.application_credential_id;
  if (id === undefined) need(written, ['username', 'user_id']);
  const strange = (['password', 'project_id', 'project_name'] as const).find(
    (key) => values[key] !== undefined,
  );
  if (strange !== undefined) {
    const why = strange === 'password' ? 'has a secret of its own' : 'has its project built in';
    throw wrongCredentials(
      written.source,
      `${written.nameOf(strange)} does not go with an application credential, which ${why}: take it out`,
    );
  }
  return {
    kind: 'application-credential',
    which: id === undefined ? { name: values.application_credential_name!, user: user(written) } : { id },
    secret: values.application_credential_secret!,
  };
}

function user(written: Written): KeystoneUser {
  const { user_id: id, username } = written.values;
  return id !== undefined ? { id } : { name: username!, domain: domain(written, 'user') };
}

/** As openstacksdk has it: its own domain, else that for both, else the default one; without any, Keystone's. */
function domain({ values }: Written, of: 'user' | 'project'): KeystoneDomain {
  for (const prefix of [`${of}_`, '', 'default_'] as const) {
    const id = values[`${prefix}domain_id`];
    if (id !== undefined) return { id };
    const name = values[`${prefix}domain_name`];
    if (name !== undefined) return { name };
  }
  return { id: 'default' };
}

function authUrl({ values, source, nameOf }: Written, kind: Kind): URL {
  const refuse = (message: string) => wrongCredentials(source, `${nameOf('auth_url')} ${message}`);
  const url = URL.parse(values.auth_url!);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw refuse('must be a whole URL, such as https://keystone.example.org:5000/v3');
  }
  // The URL stands in messages, and a password in it would as well.
  if (url.username !== '' || url.password !== '') throw refuse('must not hold a user or password');
  if (url.search !== '' || url.hash !== '') throw refuse('must not hold "?" or "#"');
  const last = /\/([^/]+)\/*$/.exec(url.pathname)?.[1] ?? '';
  if (kind === 'tempauth') {
    if (/^v[23](\.\d+)?$/.test(last)) {
      throw refuse(
        'is one of Keystone: use a user and project (OS_*) with it, or the URL of TempAuth (…/auth/v1.0)',
      );
    }
  } else if (/^v2(\.0)?$/.test(last)) {
    throw refuse('is one of Keystone v2, which is not supported: use the one that ends in /v3');
  } else if (/^v1(\.0)?$/.test(last)) {
    throw refuse(
      'is one of TempAuth: give ST_AUTH, ST_USER and ST_KEY for it, or auth_type: v1password in clouds.yaml',
    );
  }
  return url;
}
