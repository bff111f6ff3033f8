/** Which programs for the real servers this machine lacks. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';

const PROGRAMS = [
  '/usr/bin/python3',
  '/usr/bin/swift-proxy-server',
  '/usr/bin/swift-account-server',
  '/usr/bin/swift-container-server',
  '/usr/bin/swift-object-server',
  '/usr/bin/memcached',
  '/usr/bin/keystone-manage',
  '/usr/bin/keystone-wsgi-public',
  '/usr/bin/setfattr',
  '/usr/bin/setpriv',
];
/** What Swift needs to ask Keystone, and no program shows. */
const MODULE = 'keystonemiddleware';

/** Their paths and names; empty where Swift and Keystone can be started. */
export function missingServers(): string[] {
  const missing = PROGRAMS.filter((path) => !isExecutable(path));
  const found = spawnSync('/usr/bin/python3', [
    '-c',
    `import importlib.util as u; exit(u.find_spec('${MODULE}') is None)`,
  ]);
  return found.status === 0 ? missing : [...missing, `python3-${MODULE}`];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
