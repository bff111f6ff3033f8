/** What is needed to sign in to a Swift store, wherever it was found: plain data, checked, with every default filled in. */

/** Credentials with where they were found. They hold secrets: never to be shown or logged as a whole. */
export interface Credentials {
  /** http or https, without user, query and fragment. */
  authUrl: URL;
  how: HowToSignIn;
  region?: string;
  interface: Interface;
  /** Absolute path of the certificates (PEM) to trust instead of those of the system. */
  caFile?: string;
  /** Certificates are not checked, and plain http is allowed. */
  insecure: boolean;
  /** Where they were found, in words and without any secret: `cloud "townhall" in /etc/openstack/clouds.yaml`. */
  source: string;
}

export type Interface = 'public' | 'internal' | 'admin';

export type HowToSignIn = TempAuth | KeystonePassword | ApplicationCredential;

/** Swift's own authentication, version 1. */
export interface TempAuth {
  kind: 'tempauth';
  /** As TempAuth wants it, `account:user`. */
  user: string;
  key: string;
}

/** Keystone v3: a user with a password, in a project. */
export interface KeystonePassword {
  kind: 'password';
  user: KeystoneUser;
  password: string;
  project: KeystoneProject;
}

/** Keystone v3: an application credential, which has its project built in. */
export interface ApplicationCredential {
  kind: 'application-credential';
  /** By its id, or by its name together with the user that made it. */
  which: { id: string } | { name: string; user: KeystoneUser };
  secret: string;
}

/** An id, or a name that is unique only within a domain. */
export type KeystoneUser = { id: string } | { name: string; domain: KeystoneDomain };
export type KeystoneProject = { id: string } | { name: string; domain: KeystoneDomain };
export type KeystoneDomain = { id: string } | { name: string };
