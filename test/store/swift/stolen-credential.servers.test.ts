/**
 * A stolen credential of a backed-up host, against real servers: with it everything is overwritten and deleted, with the second one every
 * point is brought back, by docs/swift-rewind.py. What docs/operations.md says of what protects and what does not is proven here.
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Machine } from '../../acceptance/program.ts';
import { differences, record, type Snapshot } from '../../demo/snapshot.ts';
import { project, run } from '../../helpers/script.ts';
import { createApplicationCredential, signInWith } from '../../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../../servers/servers.ts';
import { accessRules, keystone, makeContainers, type Parties, tempAuth } from './parties.ts';
import { Account, destroyAll, reachForThePast } from './thief.ts';

/** For a dozen runs of the program and a hundred requests, on a machine that is busy. */
const LONG_MS = 400_000;

/** Any status that says no. 400: versioning does not go with a history, which Swift says before it asks who is there. */
const isRefused = (status: number) => status >= 400 && status < 500;

/** A host with two points in the container, made with its own credential alone; and what the source was at each. */
async function backedUp({ hostEnv }: Parties, container: string) {
  const machine = await Machine.prepare({
    store: { swift: { container, prefix: 'web01' } },
    more: { volume: { size: '64KiB' } },
  });
  const well = async (env: NodeJS.ProcessEnv, ...args: string[]) => {
    const { code, stdout, stderr } = await machine.runAs({ env }, ...args);
    expect(code, `holdfast ${args.join(' ')}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  const signer = (await well(hostEnv, 'init')).trim();
  const snapshots: Snapshot[] = [];
  for (const turn of [1, 2]) {
    for (const i of [1, 2, 3]) machine.write(`file-${turn}-${i}`, `${i}`.repeat(20_000 * turn));
    await well(hostEnv, 'backup');
    snapshots.push(machine.recordSource());
  }
  return { machine, signer, snapshots, well };
}

type BackedUp = Awaited<ReturnType<typeof backedUp>>;

/** Makes sure that with the second credential every point is whole, and comes back as it was. */
async function expectWhole(
  { machine, signer, snapshots, well }: BackedUp,
  env: NodeJS.ProcessEnv,
  container: string,
): Promise<void> {
  const store = ['--store', `swift:${container}/web01`, '--name', 'town', '--signer', signer];
  const key = ['--secret-key', machine.secretKey];
  await well(env, 'verify', ...store, '--full', ...key);
  for (const [i, snapshot] of snapshots.entries()) {
    const to = `${machine.folder}/from-${container}-${i}`;
    await well(env, 'restore', ...store, ...key, '--at', String(i + 1), '--to', to);
    expect(differences(snapshot, record(`${to}${machine.source}`))).toEqual([]);
  }
}

async function rewind(env: NodeJS.ProcessEnv, ...args: string[]) {
  return run(['python3', project('docs/swift-rewind.py'), ...args], { PATH: process.env.PATH, ...env });
}

async function rewound(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await rewind(env, ...args);
  expect(code, `${stdout}${stderr}`).toBe(0);
  return stdout;
}

/** The whole story: backups, theft, recovery, and the host goes on. */
async function stolenAndRecovered(parties: Parties, container: string): Promise<void> {
  const { host, owner, hostEnv, ownerEnv } = parties;
  const history = `${container}-history`;
  await makeContainers(parties, container, { 'x-history-location': history });
  const town = await backedUp(parties, container);

  const names = await destroyAll(host, container);
  expect(names.length).toBeGreaterThan(8);
  expect(await owner.names(container)).toEqual([]);
  const [entry = ''] = await owner.names(history);
  const before = await owner.names(history);
  for (const [request, status] of await reachForThePast(host, container, history, entry)) {
    expect(isRefused(status), `${request}: ${status}`).toBe(true);
  }
  expect(await owner.names(history)).toEqual(before);
  const { headers } = await owner.ask('HEAD', container);
  expect(headers.get('x-history-location')).toBe(history);

  // What would be done is told first, and changes nothing.
  expect(await rewound(ownerEnv, '--container', container, '--first')).toContain(
    `bring back       ${names.length} objects`,
  );
  expect(await owner.names(container)).toEqual([]);
  await rewound(ownerEnv, '--container', container, '--first', '--do');
  expect(await owner.names(container)).toEqual(names);
  await expectWhole(town, ownerEnv, container);

  // The host finds all in order again, and goes on.
  expect(await town.well(hostEnv, 'doctor')).toMatch(/^ok {4}history /m);
  town.machine.write('later', 'content');
  await town.well(hostEnv, 'backup');
  expect(await town.well(hostEnv, 'points')).toMatch(/ 3 .* incremental /);
}

describeWithKeystone('Keystone: a user of ACLs, an application credential with access rules', (servers) => {
  test('with a history, nothing that the host could do harms a point', { timeout: LONG_MS }, async () => {
    const container = `test-${randomUUID()}`;
    const parties = await keystone(servers().keystone, container);
    await stolenAndRecovered(parties, container);
    // The way in which a history is got round elsewhere: see below.
    const { host } = parties;
    const [name = ''] = await host.names(container);
    const expiry = await host.ask('POST', `${container}/${name}`, { 'x-delete-after': '1' });
    expect(expiry.status).toBe(401);
  });

  test('access rules alone do not bind a member of the project', async () => {
    const container = `test-${randomUUID()}`;
    const at = servers().keystone;
    const parties = await keystone(at, container);
    await makeContainers(parties, container, { 'x-history-location': `${container}-history` });
    const rules = accessRules(at.project.id, container);
    const credential = await createApplicationCredential(at, `${container}-member`, undefined, rules);
    const { token, catalog } = await signInWith(at.authUrl, credential);
    const url = catalog.find(({ type }) => type === 'object-store')?.endpoints[0]?.url ?? '';
    const member = new Account(url, token);
    const off = { 'x-remove-history-location': 'x' };
    expect((await member.ask('PUT', container, off, '')).status).toBe(401);
    // The slash makes it a path of an object for the rule, and for Swift it is the container.
    expect((await member.ask('PUT', `${container}/`, off, '')).status).toBe(202);
    const { headers } = await parties.owner.ask('HEAD', container);
    expect(headers.get('x-history-location')).toBeNull();
  });
});

describeWithSwift('TempAuth: an ordinary user of ACLs', (swift) => {
  test('with a history, overwriting and deleting harm no point', { timeout: LONG_MS }, async () => {
    await stolenAndRecovered(await tempAuth(swift()), `test-${randomUUID()}`);
  });

  describe('what gets round a history, as no access rule forbids it:', () => {
    test('an expiry date put on objects; copies made before are out of reach, and whole', {
      timeout: LONG_MS,
    }, async () => {
      const container = `test-${randomUUID()}`;
      const safe = `${container}-safe`;
      const parties = await tempAuth(swift());
      const { host, owner, ownerEnv } = parties;
      await makeContainers(parties, container, { 'x-history-location': `${container}-history` });
      const town = await backedUp(parties, container);
      expect((await owner.ask('PUT', safe)).status).toBe(201);
      const copying = ['--container', container, '--first', '--to', safe];
      await rewound(ownerEnv, ...copying, '--do');
      expect(await rewound(ownerEnv, ...copying)).toContain('bring back       0 objects');

      const names = await host.names(container);
      const [overwritten = '', ...rest] = names;
      const expire = async (name: string, after: number) => {
        const answer = await host.ask('POST', `${container}/${name}`, { 'x-delete-after': `${after}` });
        expect(answer.status).toBe(202);
      };
      // The copy that goes into the past expires with what it was made of.
      await expire(overwritten, 8);
      await host.ask('PUT', `${container}/${overwritten}`, {}, 'destroyed');
      const [entry = ''] = await owner.names(`${container}-history`);
      const copied = await owner.ask('HEAD', `${container}-history/${entry}`);
      expect(copied.headers.get('x-delete-at')).toMatch(/^\d+$/);
      for (const name of rest) await expire(name, 1);
      for (const path of [`${container}-history/${entry}`, ...rest.map((name) => `${container}/${name}`)]) {
        const status = async () => (await owner.ask('GET', path)).status;
        await expect.poll(status, { timeout: 30_000, interval: 200 }).toBe(404);
      }
      const told = await rewind(ownerEnv, '--container', container, '--first');
      expect(told.code).toBe(4);
      for (const name of names) expect(told.stderr).toContain(`LOST: ${name}: `);

      expect((await host.ask('DELETE', `${safe}/${overwritten}`)).status).toBe(403);
      await expectWhole(town, ownerEnv, safe);
      // A copy is never replaced by what the host puts into the container.
      await host.ask('PUT', `${container}/web01/own`, {}, "the host's");
      await owner.ask('PUT', `${safe}/web01/own`, {}, 'ours');
      const again = await rewind(ownerEnv, ...copying, '--do');
      expect(again).toMatchObject({
        code: 4,
        stderr: expect.stringMatching(/^OTHER: web01\/own: [^\n]*\n$/),
      });
      expect((await owner.ask('GET', `${safe}/web01/own`)).body).toBe('ours');
    });

    test('an expiry date that is still to come is taken away', async () => {
      const container = `test-${randomUUID()}`;
      const parties = await tempAuth(swift());
      const { host, owner, ownerEnv } = parties;
      await makeContainers(parties, container, { 'x-history-location': `${container}-history` });
      for (const name of ['kept', 'replaced']) {
        await host.ask('PUT', `${container}/${name}`, {}, 'content');
        await host.ask('POST', `${container}/${name}`, { 'x-delete-after': '600' });
      }
      await host.ask('PUT', `${container}/replaced`, {}, 'destroyed');
      expect(await rewound(ownerEnv, '--container', container, '--first', '--do')).toContain(
        'keep             1 objects as they are, 1 of them by taking away an expiry date',
      );
      for (const name of ['kept', 'replaced']) {
        const { headers, body } = await owner.ask('GET', `${container}/${name}`);
        expect([body, headers.get('x-delete-at')]).toEqual(['content', null]);
      }
    });
  });

  describe('versioning', () => {
    test('brings back what was overwritten and deleted', { timeout: LONG_MS }, async () => {
      const container = `test-${randomUUID()}`;
      const parties = await tempAuth(swift());
      await makeContainers(parties, container, { 'x-versions-enabled': 'true' });
      const town = await backedUp(parties, container);
      await destroyAll(parties.host, container);
      const off = await parties.host.ask('POST', container, { 'x-versions-enabled': 'false' });
      expect(off.status).toBe(403);
      await rewound(parties.ownerEnv, '--container', container, '--first', '--do');
      // An expiry date takes the name away, not the content.
      const [first = '', second = ''] = await parties.owner.names(container);
      await parties.host.ask('POST', `${container}/${first}`, { 'x-delete-after': '1' });
      await parties.host.ask('POST', `${container}/${second}`, { 'x-delete-after': '600' });
      const status = async () => (await parties.owner.ask('GET', `${container}/${first}`)).status;
      await expect.poll(status, { timeout: 20_000, interval: 200 }).toBe(404);
      expect(await rewound(parties.ownerEnv, '--container', container, '--first', '--do')).toContain(
        ', 2 of them by taking away an expiry date',
      );
      const named = await parties.owner.ask('HEAD', `${container}/${second}?symlink=get`);
      expect(named.headers.get('x-delete-at')).toBeNull();
      await expectWhole(town, parties.ownerEnv, container);
    });

    test('is no protection: whoever may write can remove the newest version for good, by its id', async () => {
      const container = `test-${randomUUID()}`;
      const parties = await tempAuth(swift());
      const { host, owner } = parties;
      await makeContainers(parties, container, { 'x-versions-enabled': 'true' });
      await host.ask('PUT', `${container}/volume`, {}, 'content');
      const { headers } = await host.ask('HEAD', `${container}/volume`);
      const version = `${container}/volume?version-id=${headers.get('x-object-version-id')}`;
      expect((await owner.ask('GET', version)).body).toBe('content');
      expect((await host.ask('DELETE', version)).status).toBe(204);
      expect((await owner.ask('GET', version)).status).toBe(404);
    });
  });

  test('the past can be gone back to by time, and forgotten', async () => {
    const container = `test-${randomUUID()}`;
    const parties = await tempAuth(swift());
    const { host, owner, ownerEnv } = parties;
    await makeContainers(parties, container, { 'x-history-location': `${container}-history` });
    await host.ask('PUT', `${container}/a/b%20%C3%BC%25%3F`, {}, 'one');
    await host.ask('PUT', `${container}/gone`, {}, 'gone');
    await host.ask('DELETE', `${container}/gone`);
    const { headers } = await host.ask('PUT', `${container}/a/c`, {}, 'one');
    // Whole seconds of the server: those of the last request are over when the next one is sent.
    const at = new Date(new Date(headers.get('last-modified') ?? '').getTime()).toISOString();
    await expect.poll(() => Date.now() > Date.parse(at) + 1000, { timeout: 20_000 }).toBe(true);
    await host.ask('PUT', `${container}/a/b%20%C3%BC%25%3F`, {}, 'two');
    await host.ask('DELETE', `${container}/a/c`);
    await host.ask('PUT', `${container}/later`, {}, 'later');

    const args = ['--container', container, '--at', at];
    expect(await rewound(ownerEnv, ...args)).toMatch(/bring back {7}2 objects, 6 bytes\n {2}remove {11}1 /);
    await rewound(ownerEnv, ...args, '--do');
    expect(await owner.names(container)).toEqual(['a/b ü%?', 'a/c']);
    expect((await owner.ask('GET', `${container}/a/b%20%C3%BC%25%3F`)).body).toBe('one');

    const past = (await owner.names(`${container}-history`)).length;
    await rewound(ownerEnv, '--container', container, '--forget-before', at, '--do');
    // What was deleted before is forgotten, with what says so; what was replaced since is not.
    expect(await owner.names(`${container}-history`)).toHaveLength(past - 2);
    await rewound(ownerEnv, '--container', container, '--forget-before', '0m', '--do');
    expect(await owner.names(container)).toEqual(['a/b ü%?', 'a/c']);
  });

  test('the script needs the second credential, and says so', async () => {
    const container = `test-${randomUUID()}`;
    const parties = await tempAuth(swift());
    await makeContainers(parties, container, { 'x-history-location': `${container}-history` });
    const args = ['--container', container, '--history', `${container}-history`, '--first'];
    const { code, stdout, stderr } = await rewind(parties.hostEnv, ...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^swift-rewind: [^\n]*use the second one, which owns the container\n$/);
    const plain = { ...parties.ownerEnv, ST_AUTH: 'http://swift.example.org/auth/v1.0' };
    expect(await rewind(plain, ...args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not https'),
    });
  });
});
