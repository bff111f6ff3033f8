/** Credentials as they were written, before it is checked that they are whole: one shape for files and variables. */

import { HoldfastError } from '../../../errors.ts';

/** The keys of `auth` in clouds.yaml that are understood; variables are brought to these names. */
export const AUTH_KEYS = [
  'auth_url',
  'username',
  'user_id',
  'password',
  'user_domain_id',
  'user_domain_name',
  'project_id',
  'project_name',
  'project_domain_id',
  'project_domain_name',
  'domain_id',
  'domain_name',
  'default_domain_id',
  'default_domain_name',
  'application_credential_id',
  'application_credential_name',
  'application_credential_secret',
] as const;

export type AuthKey = (typeof AUTH_KEYS)[number];

/** What one source of credentials says. Nothing in it is empty text. */
export interface Written {
  values: Partial<Record<AuthKey, string>>;
  /** Kind of sign-in, in the words of keystoneauth: `v3password`. */
  authType?: string;
  region?: string;
  interface?: string;
  /** Absolute path. */
  caFile?: string;
  insecure?: boolean;
  /** Where all this stands, in words: `cloud "townhall" in /etc/openstack/clouds.yaml`. */
  source: string;
  /** What a user reads there for a key: `auth.password`, `OS_PASSWORD`. */
  nameOf(key: AuthKey | 'auth_type' | 'interface' | 'region'): string;
  /** Where else a secret may stand, for the message that it is missing: `or OS_PASSWORD_FILE`. */
  elsewhere(key: AuthKey): string | undefined;
}

/** The error for credentials of a source: its message names the source and is one line. */
export function wrongCredentials(source: string, message: string): HoldfastError {
  return new HoldfastError('strategy', `${source}: ${message}`);
}
