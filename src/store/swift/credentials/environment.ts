/** Credentials in environment variables: those of OpenStack's clients (OS_*) and those of Swift's own (ST_*). */

import { join, resolve } from 'node:path';
import { readSecret, readSecretIfThere } from './read.ts';
import { type AuthKey, type Written, wrongCredentials } from './written.ts';

/** Variables with where they come from. */
export interface Variables {
  values: Readonly<Record<string, string | undefined>>;
  /** In words: `the environment`, or a file's path. */
  source: string;
  /** Absolute path from which relative ones in the variables start. */
  folder: string;
  /** systemd's folder of credentials, where there is one. */
  credentialsDirectory: string | undefined;
}

const OPENSTACK: Record<AuthKey, [string, ...string[]]> = {
  auth_url: ['OS_AUTH_URL'],
  username: ['OS_USERNAME'],
  user_id: ['OS_USER_ID'],
  password: ['OS_PASSWORD'],
  user_domain_id: ['OS_USER_DOMAIN_ID'],
  user_domain_name: ['OS_USER_DOMAIN_NAME'],
  project_id: ['OS_PROJECT_ID', 'OS_TENANT_ID'],
  project_name: ['OS_PROJECT_NAME', 'OS_TENANT_NAME'],
  project_domain_id: ['OS_PROJECT_DOMAIN_ID'],
  project_domain_name: ['OS_PROJECT_DOMAIN_NAME'],
  domain_id: ['OS_DOMAIN_ID'],
  domain_name: ['OS_DOMAIN_NAME'],
  default_domain_id: ['OS_DEFAULT_DOMAIN_ID', 'OS_DEFAULT_DOMAIN'],
  default_domain_name: ['OS_DEFAULT_DOMAIN_NAME'],
  application_credential_id: ['OS_APPLICATION_CREDENTIAL_ID'],
  application_credential_name: ['OS_APPLICATION_CREDENTIAL_NAME'],
  application_credential_secret: ['OS_APPLICATION_CREDENTIAL_SECRET'],
};

const SWIFT: Partial<Record<AuthKey, [string, ...string[]]>> = {
  auth_url: ['ST_AUTH'],
  username: ['ST_USER'],
  password: ['ST_KEY'],
};

/** Secrets, which may stand in a file of their own. */
const SECRETS = new Set(['OS_PASSWORD', 'OS_APPLICATION_CREDENTIAL_SECRET', 'ST_KEY']);

/** Variables that would change where or how one signs in, and are not supported: passing over them would mislead. */
const REFUSED = ['OS_STORAGE_URL', 'OS_CERT', 'OS_KEY', 'OS_SYSTEM_SCOPE', 'OS_TRUST_ID'];

/** What is set and not empty; an empty variable counts as not set. */
export function given(variables: Variables, name: string): string | undefined {
  return variables.values[name] || undefined;
}

/** Whether one of the variables holds a secret itself. */
export function holdsSecret(variables: Variables): boolean {
  return [...SECRETS].some((name) => given(variables, name) !== undefined);
}

/** The OS_* set, or undefined when none of it is given. A set that is begun must be whole: see settle. */
export async function openstackVariables(variables: Variables): Promise<Written | undefined> {
  const values = await gather(variables, OPENSTACK);
  if (Object.keys(values).length === 0) return undefined;
  const source = `the OS_* variables of ${variables.source}`;
  const refused = REFUSED.find((name) => given(variables, name) !== undefined);
  if (refused !== undefined) {
    throw wrongCredentials(source, `${refused} is not supported: take it out`);
  }
  const version = given(variables, 'OS_IDENTITY_API_VERSION');
  const authType = given(variables, 'OS_AUTH_TYPE');
  if (version !== undefined && !/^v?3(\.\d+)?$/.test(version) && authType !== 'v1password') {
    throw wrongCredentials(
      source,
      'OS_IDENTITY_API_VERSION must be 3: other versions of Keystone are not supported',
    );
  }
  const interfaceName = ['OS_INTERFACE', 'OS_ENDPOINT_TYPE'].find(
    (name) => given(variables, name) !== undefined,
  );
  const region = given(variables, 'OS_REGION_NAME');
  return {
    values,
    ...(authType !== undefined && { authType }),
    ...(region !== undefined && { region }),
    ...(interfaceName !== undefined && { interface: given(variables, interfaceName)! }),
    ...trust(variables, source),
    source,
    nameOf: (key) => {
      if (key === 'auth_type') return 'OS_AUTH_TYPE';
      if (key === 'interface') return interfaceName ?? 'OS_INTERFACE';
      return key === 'region' ? 'OS_REGION_NAME' : OPENSTACK[key][0];
    },
    elsewhere: (key) => fileOf(OPENSTACK[key][0]),
  };
}

/** The ST_* set, or undefined when none of it is given. */
export async function swiftVariables(variables: Variables): Promise<Written | undefined> {
  const values = await gather(variables, SWIFT);
  if (Object.keys(values).length === 0) return undefined;
  const source = `the ST_* variables of ${variables.source}`;
  if (!/^(1(\.0)?)?$/.test(variables.values.ST_AUTH_VERSION ?? '')) {
    throw wrongCredentials(source, 'ST_AUTH_VERSION must be 1: for Keystone use the OS_* variables');
  }
  const nameOf = (key: string) => SWIFT[key as AuthKey]?.[0] ?? key;
  return {
    values,
    authType: 'v1password',
    ...trust(variables, source),
    source,
    nameOf,
    elsewhere: (key) => fileOf(nameOf(key)),
  };
}

async function gather(
  variables: Variables,
  names: Partial<Record<AuthKey, [string, ...string[]]>>,
): Promise<Written['values']> {
  const values: Written['values'] = {};
  for (const [key, spellings] of Object.entries(names) as [AuthKey, string[]][]) {
    for (const name of spellings) {
      const value = SECRETS.has(name) ? await secret(variables, name) : given(variables, name);
      if (value === undefined) continue;
      values[key] = value;
      break;
    }
  }
  return values;
}

/** A secret from its variable, else from the file that NAME_FILE names, else from systemd's credential NAME. */
async function secret(variables: Variables, name: string): Promise<string | undefined> {
  const inPlace = given(variables, name);
  const file = given(variables, `${name}_FILE`);
  if (inPlace !== undefined && file !== undefined) {
    throw wrongCredentials(variables.source, `both ${name} and ${name}_FILE are set: keep one`);
  }
  if (inPlace !== undefined) return inPlace;
  if (file !== undefined) return await readSecret(resolve(variables.folder, file), `${name}_FILE`);
  if (variables.credentialsDirectory === undefined) return undefined;
  return await readSecretIfThere(join(variables.credentialsDirectory, name));
}

function fileOf(name: string): string | undefined {
  return SECRETS.has(name) ? `or ${name}_FILE` : undefined;
}

/** How the server is to be proven; python-swiftclient takes these for both sets. */
function trust(variables: Variables, source: string): { caFile?: string; insecure?: boolean } {
  const caFile = given(variables, 'OS_CACERT');
  const insecure = given(variables, 'OS_INSECURE')?.toLowerCase();
  if (insecure !== undefined && !YES.includes(insecure) && !NO.includes(insecure)) {
    throw wrongCredentials(source, 'OS_INSECURE must be true or false');
  }
  return {
    ...(caFile !== undefined && { caFile: resolve(variables.folder, caFile) }),
    ...(insecure !== undefined && { insecure: YES.includes(insecure) }),
  };
}

const YES = ['true', '1', 'yes', 'on'];
const NO = ['false', '0', 'no', 'off'];
