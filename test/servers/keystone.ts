/**
 * A real OpenStack Keystone on loopback for tests: one process over a SQLite database in a temporary folder, with a project and two
 * users. It starts and stops it; keystone-api.ts has the requests to it.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { serverFolder } from './folder.ts';
import { create, grant, type KeystoneAddress, type KeystoneUser, signIn } from './keystone-api.ts';
import { type ClaimedPorts, claimPorts, LOOPBACK } from './ports.ts';
import { runCommand, startProcess } from './processes.ts';
import type { KeystoneAccess } from './swift-config.ts';

/** Where a Keystone will be: a Swift can be told of it before it runs. */
export interface KeystonePlace extends KeystoneAccess {
  claimed: ClaimedPorts;
}

export interface KeystoneOptions {
  /** A new one by default. */
  place?: KeystonePlace;
  /** Seconds that a token is good for; 3600 by default. */
  tokenLife?: number;
  regions?: readonly [string, string];
}

export interface KeystoneServer extends KeystoneAddress {
  /** Where its configuration, log and database are. */
  folder: string;
  pid: number;
  /**
   * Enters a Swift into the catalog: service `object-store`, in both regions, with public and internal endpoints, all of them at the
   * proxy that is given as `http://HOST:PORT`.
   */
  offerSwift(proxyUrl: string): Promise<void>;
  /** Ends the process and removes the folder. */
  stop(): Promise<void>;
}

export async function keystonePlace(): Promise<KeystonePlace> {
  const claimed = await claimPorts(1);
  return { claimed, url: `http://${LOOPBACK}:${claimed.ports[0]}/v3`, adminPassword: secret() };
}

/**
 * All of keystone-manage's steps in one process: most of the time of a call is that of loading it. Without write-ahead logging a reader
 * that meets a writer gets "database is locked".
 */
const SET_UP = `
import sqlite3, sys
from keystone.cmd import manage
from keystone.conf import CONF
config, database, user, group, region, url = sys.argv[1:]
owner = ['--keystone-user', user, '--keystone-group', group]
def step(*arguments):
    sys.argv = ['keystone-manage', '--config-file', config, *arguments]
    manage.main()
    CONF.reset()
step('db_sync')
sqlite3.connect(database).execute('PRAGMA journal_mode=WAL')
step('fernet_setup', *owner)
step('credential_setup', *owner)
# Swift's authtoken looks for the internal one.
step('bootstrap', '--bootstrap-region-id', region, '--bootstrap-public-url', url, '--bootstrap-internal-url', url)
`;

/** Starts one; rejects with its log if it does not come up. */
export async function startKeystone(options: KeystoneOptions = {}): Promise<KeystoneServer> {
  const { url, adminPassword, claimed } = options.place ?? (await keystonePlace());
  const port = claimed.ports[0] ?? 0;
  const regions = options.regions ?? ['north', 'south'];
  const folder = serverFolder();
  const [config, database] = [join(folder, 'keystone.conf'), join(folder, 'keystone.sqlite')];
  const log = join(folder, 'keystone.log');
  const { uid, gid } = userInfo();
  writeFileSync(config, keystoneConfig(folder, database, options.tokenLife ?? 3600), { mode: 0o600 });
  let stop = async () => {
    claimed.release();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await runCommand({
      command: ['/usr/bin/python3', '-', config, database, String(uid), String(gid), regions[0], url],
      env: { OS_BOOTSTRAP_PASSWORD: adminPassword },
      input: SET_UP,
      log,
    });
    const server = await startProcess({
      command: ['/usr/bin/keystone-wsgi-public', '--host', LOOPBACK, '--port', String(port)],
      env: { OS_KEYSTONE_CONFIG_FILES: config },
      port,
      log,
    });
    const remove = stop;
    stop = () => server.stop().then(remove);
    const token = await adminToken(url, adminPassword);
    const people = await populate(url, token, regions[1]);
    const offerSwift = (proxyUrl: string) => enterSwift(url, adminPassword, regions, proxyUrl);
    return { authUrl: url, regions, ...people, adminPassword, folder, pid: server.pid, offerSwift, stop };
  } catch (e) {
    await stop();
    throw e;
  }
}

function keystoneConfig(folder: string, database: string, tokenLife: number): string {
  return `[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///${database}
[fernet_tokens]
key_repository = ${folder}/fernet-keys
[fernet_receipts]
key_repository = ${folder}/receipt-keys
[credential]
key_repository = ${folder}/credential-keys
[token]
expiration = ${tokenLife}
[identity]
# The fewest that bcrypt takes: the passwords are random and short-lived.
password_hash_rounds = 4
[cache]
# Without it, every check of a token computes its roles a dozen times, for 0.6 s.
enabled = true
backend = dogpile.cache.memory
[oslo_policy]
# Keystone's own rules, not what lies in /etc.
policy_dirs = ${folder}/no-policies
`;
}

async function adminToken(url: string, password: string): Promise<string> {
  return (await signIn(url, 'admin', password, 'admin')).token;
}

async function populate(
  url: string,
  token: string,
  secondRegion: string,
): Promise<Pick<KeystoneAddress, 'project' | 'user' | 'ordinary'>> {
  await create(url, token, 'region', { id: secondRegion });
  const name = 'townhall';
  const project = { name, id: await create(url, token, 'project', { name, domain_id: 'default' }) };
  async function person(name: string, role: 'member' | 'reader'): Promise<KeystoneUser> {
    const password = secret();
    const id = await create(url, token, 'user', { name, password, domain_id: 'default' });
    await grant(url, token, project.id, id, role);
    return { id, name, password };
  }
  return { project, user: await person('keeper', 'member'), ordinary: await person('writer', 'reader') };
}

async function enterSwift(
  url: string,
  adminPassword: string,
  regions: readonly string[],
  proxyUrl: string,
): Promise<void> {
  const token = await adminToken(url, adminPassword);
  const service = await create(url, token, 'service', { type: 'object-store', name: 'swift' });
  for (const region of regions) {
    for (const kind of ['public', 'internal']) {
      await create(url, token, 'endpoint', {
        service_id: service,
        region_id: region,
        interface: kind,
        url: `${proxyUrl}/v1/AUTH_%(project_id)s`,
      });
    }
  }
}

function secret(): string {
  return randomBytes(16).toString('hex');
}
