/** `.ci/install-packages` with stand-ins for apt-get, dpkg-query and id, and for the policy that keeps services from starting. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Ended, ended, project } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const SCRIPT = project('.ci/install-packages');
const NAMES = readFileSync(SCRIPT, 'utf8').match(/^packages=\(\n([^)]*)^\)/m)?.[1] ?? '';
const PACKAGES = NAMES.replaceAll(/#.*/g, '').trim().split(/\s+/);

let folder: string;
let policy: string;
/** What the stand-in of apt-get was told, and the policy at that time. */
let told: string;
let installed: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  [policy, told, installed] = ['policy', 'told', 'installed'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(join(folder, 'bin'));
  writeFileSync(installed, PACKAGES.map((name) => `${name} installed\n`).join(''));
  await program('dpkg-query', `cat '${installed}'; exit 1`);
  await program('id', 'echo 0');
  await program('apt-get', `echo "$*" >>'${told}'; case "$*" in *install*) ${INSTALL} ;; esac`);
});

/** Installs one package after the other, and shows what the policy says meanwhile. */
const INSTALL = `sh "$HOLDFAST_POLICY_RC_D" swift-proxy start; echo "policy $?" >>"$TOLD"
  for name in "$@"; do echo "$name installed" >>"$INSTALLED"; done`;

async function program(name: string, code: string): Promise<void> {
  await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${code}\n`);
  await chmod(join(folder, 'bin', name), 0o755);
}

function start(args: readonly string[] = [], path = `${folder}/bin:/usr/bin:/bin`): ChildProcess {
  const env = { PATH: path, HOLDFAST_POLICY_RC_D: policy, TOLD: told, INSTALLED: installed };
  return spawn(SCRIPT, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
}

function install(args?: readonly string[], path?: string): Promise<Ended> {
  return ended(start(args, path));
}

function lack(...names: string[]): void {
  const rest = PACKAGES.filter((name) => !names.includes(name));
  writeFileSync(installed, rest.map((name) => `${name} installed\n`).join(''));
}

it('says and does nothing where all are there', async () => {
  expect(await install()).toMatchObject({ code: 0, stdout: '', stderr: '' });
  expect(existsSync(told)).toBe(false);
  expect(PACKAGES).toEqual(expect.arrayContaining(['gnupg', 'swift-proxy', 'keystone']));
});

it('installs what is missing, says so, and lets no service start meanwhile', async () => {
  lack('memcached', 'keystone');
  const { code, stdout } = await install(['--require']);
  expect([code, stdout]).toEqual([0, 'Packages for the tests: installing memcached keystone\n']);
  const [update, packages, policySaid] = readFileSync(told, 'utf8').trim().split('\n');
  expect(update).toMatch(/ update$/);
  expect(packages).toMatch(/ install --yes --no-install-recommends memcached keystone$/);
  expect(policySaid).toBe('policy 101');
  expect(existsSync(policy)).toBe(false);
});

it('counts a package that is only configured as missing', async () => {
  lack('memcached');
  writeFileSync(installed, `${readFileSync(installed, 'utf8')}memcached config-files\n`);
  expect((await install()).stdout).toContain('installing memcached\n');
});

describe('a policy that was there before', () => {
  beforeEach(async () => {
    lack('keystone');
    await symlink('/nowhere/policy', policy);
  });

  it('comes back', async () => {
    expect((await install()).code).toBe(0);
    expect(readFileSync(told, 'utf8')).toContain('policy 101');
    expect(await readlink(policy)).toBe('/nowhere/policy');
  });

  it('comes back after a failure', async () => {
    await program('apt-get', 'exit 100');
    const { code, stderr } = await install(['--require']);
    expect([code, stderr]).toEqual([
      1,
      'Packages for the tests: apt-get failed, and of these some are missing: keystone\n',
    ]);
    expect(await readlink(policy)).toBe('/nowhere/policy');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('comes back after %s', async (signal, code) => {
    await program('apt-get', 'echo here >&2; exec sleep 100');
    const child = start();
    const end = ended(child);
    await once(child.stderr!, 'data');
    process.kill(-child.pid!, signal);
    expect((await end).code).toBe(code);
    expect(await readlink(policy)).toBe('/nowhere/policy');
  });

  it('comes back when the run before was killed', async () => {
    await killedRun();
    await install();
    expect(await readlink(policy)).toBe('/nowhere/policy');
  });
});

it('leaves no policy where none was, also after a run that was killed', async () => {
  lack('keystone');
  await killedRun();
  expect(readFileSync(policy, 'utf8')).toContain('exit 101');
  await install();
  expect(existsSync(policy)).toBe(false);
});

/** A run that ends with SIGKILL while it installs. */
async function killedRun(): Promise<void> {
  await program('apt-get', 'echo here >&2; exec sleep 100');
  const child = start();
  const end = ended(child);
  await once(child.stderr!, 'data');
  process.kill(-child.pid!, 'SIGKILL');
  expect((await end).signal).toBe('SIGKILL');
  await program('apt-get', 'true');
}

it('installs once where two runs find something missing', async () => {
  lack('keystone');
  const both = await Promise.all([install(), install()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(readFileSync(told, 'utf8').match(/ install /g)).toHaveLength(1);
});

describe.each([
  [[], 0, 'are skipped.\n'],
  [['--require'], 1, ''],
] as const)('where it cannot install, with %j', (args, code, last) => {
  it('names what is missing to who is not root', async () => {
    lack('memcached', 'keystone');
    await program('id', 'echo 1000');
    const { code: exit, stderr } = await install(args);
    expect(exit).toBe(code);
    expect(stderr).toContain('missing are memcached keystone, and only root can install them: /');
    expect(stderr.endsWith(last)).toBe(true);
    expect(existsSync(told)).toBe(false);
  });

  it('names what is needed where there is no Debian', async () => {
    const { code: exit, stderr } = await install(args, join(folder, 'none'));
    expect(exit).toBe(code);
    expect(stderr).toContain(
      'this is not Debian. The tests need what these packages of Debian 12 hold: acl ',
    );
  });

  it('names what is still missing afterwards', async () => {
    lack('keystone');
    await program('apt-get', 'true');
    const { code: exit, stderr } = await install(args);
    expect(exit).toBe(code);
    expect(stderr).toContain('apt-get succeeded, but these are still missing: keystone\n');
  });
});

it('refuses an option that it does not know', async () => {
  expect(await install(['--requires'])).toMatchObject({ code: 2, stdout: '' });
});
