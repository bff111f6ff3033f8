/**
 * A real OpenStack Swift on loopback for tests: proxy, account, container and object server of one device, and memcached, with
 * everything in a temporary folder. It starts and stops them; what a test asks of them is the test's business.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { storageFolder } from './folder.ts';
import { claimPorts, LOOPBACK } from './ports.ts';
import { NotStarted, runCommand, type ServerProcess, startProcess } from './processes.ts';
import {
  DEVICE,
  type KeystoneAccess,
  proxyConfig,
  type SwiftFeatures,
  type SwiftLogin,
  type SwiftPorts,
  sharedConfig,
  storageConfig,
} from './swift-config.ts';

export interface SwiftOptions extends Partial<SwiftFeatures> {
  /** Users of TempAuth, `account:name`; by default an administrator and an ordinary user of one account. */
  users?: readonly Omit<SwiftLogin, 'key'>[];
  /** Brings a second proxy whose users sign in at this Keystone. It need not run yet. */
  keystone?: KeystoneAccess;
}

/** How to reach a Swift: plain data, which can be handed to another process. */
export interface SwiftAddress {
  /** Where TempAuth is signed in at: `http://…/auth/v1.0`. */
  authUrl: string;
  proxyPort: number;
  /** The first administrator. */
  user: string;
  key: string;
  /** All users, the administrator too. */
  logins: readonly SwiftLogin[];
  /** The proxy for users of Keystone, `http://…`, whose storage URLs are `/v1/AUTH_<project id>` there. */
  keystoneProxyUrl: string | undefined;
  /** Where its configuration, logs and objects are. */
  folder: string;
}

export interface SwiftServer extends SwiftAddress {
  /** The processes that run now. */
  pids(): number[];
  /** An outage: until `startProxy`, connections are refused. */
  stopProxy(): Promise<void>;
  /** On the same ports as before. */
  startProxy(): Promise<void>;
  /** Makes all tokens of TempAuth invalid at once, as their expiry does. */
  forgetTokens(): Promise<void>;
  /** Ends all processes and removes the folder. */
  stop(): Promise<void>;
}

const FEATURES: SwiftFeatures = {
  tokenLife: 86_400,
  quotas: true,
  versions: true,
  bulk: true,
  maxFileSize: undefined,
  listingLimit: undefined,
};
const USERS = [
  { user: 'town:keeper', admin: true },
  { user: 'town:writer', admin: false },
];

/** A server of Swift. By itself it would look for swift.conf in /etc at first, and take limits from there. */
const SERVER = `
import runpy, sys
from swift.common import utils
program, config = sys.argv[1:]
utils.set_swift_dir(config.rpartition('/')[0])
sys.argv = [program, config, '--verbose']
runpy.run_path(program, run_name='__main__')
`;

/** swift-ring-builder, once for all three rings: most of the time of a call is that of loading it. */
const RINGS = `
import sys
from swift.cli import ringbuilder
folder, device, *ports = sys.argv[1:]
for kind, port in zip(('account', 'container', 'object'), ports):
    builder = f'{folder}/{kind}.builder'
    for step in (['create', '4', '1', '0'], ['add', f'r1z1-127.0.0.1:{port}/{device}', '1'], ['rebalance']):
        try:
            ringbuilder.main(['swift-ring-builder', builder] + step)
        except SystemExit as end:
            if end.code:
                raise
`;

/** Starts one; rejects with the server's log if it does not come up. */
export async function startSwift(options: SwiftOptions = {}): Promise<SwiftServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (e) {
      if (!(e instanceof NotStarted && e.clash) || attempt === 3) throw e;
    }
  }
}

async function startOnce(options: SwiftOptions): Promise<SwiftServer> {
  const folder = storageFolder();
  const claimed = await claimPorts(6);
  const [proxy = 0, account = 0, container = 0, object = 0, memcached = 0, keystoneProxy = 0] = claimed.ports;
  const ports: SwiftPorts = { proxy, account, container, object, memcached, keystoneProxy };
  const logins = (options.users ?? USERS).map((u) => ({ ...u, key: randomBytes(16).toString('hex') }));
  const admin = logins.find((login) => login.admin) ?? logins[0];
  const running = new Map<string, ServerProcess>();
  const proxies = ['proxy', ...(options.keystone === undefined ? [] : ['keystone-proxy'])];

  async function start(name: string, port: number, command: [string, ...string[]]): Promise<void> {
    running.set(name, await startProcess({ command, port, log: join(folder, `${name}.log`) }));
  }
  const startSwiftServer = (name: string, kind: string, port: number) =>
    start(name, port, [
      '/usr/bin/python3',
      '-c',
      SERVER,
      `/usr/bin/swift-${kind}-server`,
      join(folder, `${name}.conf`),
    ]);
  const startProxy = (name: string) =>
    startSwiftServer(name, 'proxy', name === 'proxy' ? proxy : keystoneProxy);
  async function end(names: Iterable<string>): Promise<void> {
    await Promise.all(Array.from(names, (name) => running.get(name)?.stop()));
    for (const name of [...names]) running.delete(name);
  }
  async function stop(): Promise<void> {
    await end([...running.keys()]);
    claimed.release();
    rmSync(folder, { recursive: true, force: true });
  }

  writeConfig(folder, ports, logins, options);
  const begun = await Promise.allSettled([
    start('memcached', memcached, memcachedCommand(memcached)),
    runCommand({
      command: ['/usr/bin/python3', '-', folder, DEVICE, ...[account, container, object].map(String)],
      input: RINGS,
      log: join(folder, 'rings.log'),
    }),
  ]);
  const rest = begun.some(({ status }) => status === 'rejected')
    ? begun
    : await Promise.allSettled([
        ...(['account', 'container', 'object'] as const).map((kind) =>
          startSwiftServer(kind, kind, ports[kind]),
        ),
        ...proxies.map(startProxy),
      ]);
  const failed = rest.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    authUrl: `http://${LOOPBACK}:${proxy}/auth/v1.0`,
    proxyPort: proxy,
    user: admin?.user ?? '',
    key: admin?.key ?? '',
    logins,
    keystoneProxyUrl: options.keystone && `http://${LOOPBACK}:${keystoneProxy}`,
    folder,
    pids: () => Array.from(running.values(), ({ pid }) => pid),
    stopProxy: () => end(proxies),
    startProxy: async () => {
      await Promise.all(proxies.map(startProxy));
    },
    forgetTokens: () => flush(memcached),
    stop,
  };
}

function writeConfig(
  folder: string,
  ports: SwiftPorts,
  logins: readonly SwiftLogin[],
  options: SwiftOptions,
): void {
  const features = { ...FEATURES, ...options };
  const write = (name: string, content: string) =>
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  mkdirSync(join(folder, 'devices', DEVICE), { recursive: true });
  write('swift.conf', sharedConfig(features));
  for (const kind of ['account', 'container', 'object'] as const) {
    write(`${kind}.conf`, storageConfig(kind, folder, ports[kind]));
  }
  write('proxy.conf', proxyConfig(folder, ports, features, { logins }));
  const { keystone } = options;
  if (keystone !== undefined)
    write('keystone-proxy.conf', proxyConfig(folder, ports, features, { keystone }));
}

function memcachedCommand(port: number): [string, ...string[]] {
  const user = userInfo().uid === 0 ? ['-u', 'root'] : [];
  return ['memcached', '-l', LOOPBACK, '-p', String(port), '-U', '0', '-m', '32', '-t', '1', ...user];
}

/** Empties memcached, which is where TempAuth keeps its tokens. */
async function flush(port: number): Promise<void> {
  const socket = connect(port, LOOPBACK);
  socket.end('flush_all\r\nquit\r\n');
  const answer = await text(socket);
  if (!answer.startsWith('OK')) throw new Error(`memcached answers flush_all with ${JSON.stringify(answer)}`);
}
