/** The configuration files of a Swift of one device on loopback, as text. Writes and starts nothing. */
import { userInfo } from 'node:os';
import { LOOPBACK } from './ports.ts';

/** Which port is whose. */
export interface SwiftPorts {
  proxy: number;
  account: number;
  container: number;
  object: number;
  memcached: number;
  /** A second proxy, for those who sign in at Keystone. */
  keystoneProxy: number;
}

export interface SwiftLogin {
  /** `account:name`. */
  user: string;
  key: string;
  /** Whether everything in the account is open to this user; otherwise only what a container's ACL grants. */
  admin: boolean;
  /** Whether this user may do everything in all accounts, as those who run a cloud may: set quotas of accounts, for one. */
  reseller?: boolean;
}

/** Where tokens of Keystone are checked, and as whom. */
export interface KeystoneAccess {
  url: string;
  adminPassword: string;
}

export interface SwiftFeatures {
  /** Seconds that a token of TempAuth is good for. */
  tokenLife: number;
  /** Whether X-Container-Meta-Quota-Bytes and -Count, and X-Account-Meta-Quota-Bytes, are obeyed. */
  quotas: boolean;
  /** Whether containers may keep old versions (X-History-Location, X-Versions-Enabled). */
  versions: boolean;
  /** Whether many objects can be deleted with one request. */
  bulk: boolean;
  /** The largest object, in bytes; Swift's own default if undefined. */
  maxFileSize: number | undefined;
  /** The most names of one page of a listing; Swift's own default (10,000) if undefined. */
  listingLimit: number | undefined;
}

/**
 * Seconds for which Swift believes a token of Keystone without asking again, unless it expires meanwhile; clouds take 300. A check of an
 * application credential's token takes Keystone 0.3 s.
 */
export const TOKEN_CACHE_S = 2;

/** The name of the one device. */
export const DEVICE = 'd1';

/** swift.conf: what all the servers share. The hash affixes need not be secret here. */
export function sharedConfig({ maxFileSize, listingLimit }: SwiftFeatures): string {
  const limits = Object.entries({ max_file_size: maxFileSize, container_listing_limit: listingLimit })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} = ${value}\n`);
  return `[swift-hash]
swift_hash_path_prefix = holdfast
swift_hash_path_suffix = test
[storage-policy:0]
name = only
default = yes
${limits.length === 0 ? '' : `[swift-constraints]\n${limits.join('')}`}`;
}

/** The account, container or object server. */
export function storageConfig(
  kind: 'account' | 'container' | 'object',
  folder: string,
  port: number,
): string {
  return `${defaults(folder, port)}
devices = ${folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
`;
}

/**
 * A proxy with one kind of sign-in. Both kinds in one pipeline would ask Keystone about each token of TempAuth, with every request.
 * What is known of a container is never cached (-10 seconds; a tenth of it, rounded, is what an absent one is remembered for, and 0
 * would mean for ever): a quota holds at once, as a test wants it.
 */
export function proxyConfig(
  folder: string,
  ports: SwiftPorts,
  features: SwiftFeatures,
  auth: { logins: readonly SwiftLogin[] } | { keystone: KeystoneAccess },
): string {
  const keystone = 'keystone' in auth;
  const pipeline = [
    'catch_errors gatekeeper healthcheck cache listing_formats',
    features.bulk ? 'bulk' : '',
    keystone ? 'authtoken keystoneauth' : 'tempauth',
    'copy',
    features.quotas ? 'container-quotas account-quotas' : '',
    'slo dlo',
    // Object versioning refuses to start without symlinks behind it.
    features.versions ? 'versioned_writes symlink' : '',
    'proxy-server',
  ];
  const filters = {
    catch_errors: 'catch_errors',
    gatekeeper: 'gatekeeper',
    healthcheck: 'healthcheck',
    listing_formats: 'listing_formats',
    bulk: 'bulk',
    copy: 'copy',
    'container-quotas': 'container_quotas',
    'account-quotas': 'account_quotas',
    slo: 'slo',
    dlo: 'dlo',
    symlink: 'symlink',
  };
  return `${defaults(folder, keystone ? ports.keystoneProxy : ports.proxy)}
[pipeline:main]
pipeline = ${pipeline.filter((part) => part !== '').join(' ')}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
recheck_account_existence = -10
recheck_container_existence = -10
[filter:cache]
use = egg:swift#memcache
memcache_servers = ${LOOPBACK}:${ports.memcached}
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
${Object.entries(filters)
  .map(([name, egg]) => `[filter:${name}]\nuse = egg:swift#${egg}\n`)
  .join('')}${keystone ? keystoneFilters(auth.keystone) : tempAuth(features.tokenLife, auth.logins)}`;
}

function tempAuth(tokenLife: number, logins: readonly SwiftLogin[]): string {
  const users = logins.map(
    ({ user, key, admin, reseller = false }) =>
      `user_${user.replace(':', '_')} = ${key}${admin ? ' .admin' : ''}${reseller ? ' .reseller_admin' : ''}\n`,
  );
  return `[filter:tempauth]
use = egg:swift#tempauth
token_life = ${tokenLife}
${users.join('')}`;
}

function keystoneFilters({ url, adminPassword }: KeystoneAccess): string {
  return `[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = ${url}
auth_url = ${url}
auth_type = password
username = admin
password = ${adminPassword}
project_name = admin
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
# Access rules of application credentials are refused without these two.
service_type = object-store
include_service_catalog = true
cache = swift.cache
token_cache_time = ${TOKEN_CACHE_S}
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
`;
}

/** `workers = 0` serves in the first process, which is then the one to stop. */
function defaults(folder: string, port: number): string {
  return `[DEFAULT]
bind_ip = ${LOOPBACK}
bind_port = ${port}
bind_timeout = 2
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
log_level = INFO
`.trimEnd();
}
