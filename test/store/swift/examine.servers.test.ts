/** What `holdfast doctor` says of real Swift stores, whole and broken, and that it changes nothing in them. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/finding.ts';
import type { Examination } from '../../../src/store/examination.ts';
import { examineSwift } from '../../../src/store/swift/examine.ts';
import type { SwiftStore } from '../../../src/strategy/strategy.ts';
import { collect, examination, expectFinding, subjects } from '../../doctor/findings.ts';
import * as faulty from '../../servers/faulty-path.ts';
import { createApplicationCredential, signIn as keystoneSignIn } from '../../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../../servers/servers.ts';
import type { SwiftAddress } from '../../servers/swift.ts';
import { tempAuthEnv } from './opening.ts';
import { keystone, makeContainers } from './parties.ts';

interface Asked {
  choice?: Partial<SwiftStore>;
  examination?: Partial<Examination>;
}

function examine(env: NodeJS.ProcessEnv, container: string, asked: Asked = {}): Promise<Finding[]> {
  const choice: SwiftStore = {
    kind: 'swift',
    container,
    prefix: 'web01',
    uploads: 4,
    deadline: 180_000,
    ...asked.choice,
  };
  const surroundings = { env, cwd: '/nonexistent', home: '/nonexistent' };
  return collect(examineSwift(choice, examination(asked.examination), surroundings, () => undefined));
}

/** Asks the server itself, as TempAuth's user. */
async function ask(
  { authUrl }: Pick<SwiftAddress, 'authUrl'>,
  { user, key }: { user: string; key: string },
  method: string,
  path: string,
  headers: Record<string, string> = {},
) {
  const answer = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
  const url = `${answer.headers.get('x-storage-url')}${path}`;
  const token = answer.headers.get('x-auth-token') ?? '';
  const reply = await fetch(url, { method, headers: { 'x-auth-token': token, ...headers } });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}

describeWithSwift('TempAuth', (swift) => {
  const env = (more: Partial<Pick<SwiftAddress, 'authUrl' | 'user' | 'key'>> = {}) =>
    tempAuthEnv({ ...swift(), ...more });
  const writer = () => swift().logins.find(({ admin }) => !admin)!;

  /** A new container with these headers. */
  async function container(headers: Record<string, string> = {}): Promise<string> {
    const name = `test-${randomUUID()}`;
    expect((await ask(swift(), swift(), 'PUT', `/${name}`, headers)).status).toBe(201);
    return name;
  }
  const openToWriter = () => ({
    'x-container-read': writer().user,
    'x-container-write': writer().user,
  });
  const objects = async (name: string) => (await ask(swift(), swift(), 'GET', `/${name}`)).text;

  test('an administrator: everything works, history is missing, rights are too large; nothing is left', async () => {
    const name = await container();
    const found = await examine(env(), name);
    expect(subjects(found, 'bad')).toEqual([]);
    expect(subjects(found, 'warning')).toEqual(['history']);
    expectFinding(found, 'history', 'warning', /can erase all backups.*docs\/operations.md/);
    expectFinding(found, 'rights', 'note', /may list the whole account/);
    expectFinding(found, 'sign-in', 'good', /town:keeper; a token is good for/);
    expectFinding(found, 'endpoint', 'good', /\/v1\/AUTH_town; TempAuth tells no region/);
    expectFinding(found, 'TLS', 'note', /plain http/);
    expectFinding(found, 'clock', 'good');
    expectFinding(found, 'limits', 'good', /objects of at most 5.00 GiB; names of at most 1024 bytes.*bulk/);
    expectFinding(found, 'quota', 'good', /none is set for the container or the account/);
    expectFinding(found, 'permissions', 'good');
    expect(await objects(name)).toBe('');
  });

  test('a user with rights to the container alone, which keeps a history: nothing is to be said', async () => {
    const history = await container();
    const name = await container({ ...openToWriter(), 'x-history-location': history });
    const found = await examine(env(writer()), name);
    expect(subjects(found, 'bad')).toEqual([]);
    expect(subjects(found, 'warning')).toEqual([]);
    expectFinding(found, 'history', 'good', new RegExp(history));
    expectFinding(found, 'rights', 'good', /to the container alone/);
    expectFinding(found, 'quota', 'good', /cannot see the account's/);
    // TempAuth has no rules by which that could be refused.
    expectFinding(found, 'expiry', 'note', /could let all backups expire.*access rules that lack POST/);
    expect(await objects(name)).toBe('');
    expect(await objects(history)).toMatch(/^([^\n]*\.doctor\/probe-1[^\n]*\n)+$/);
    const asked = { examination: { readOnly: true } };
    expect(subjects(await examine(env(writer()), name, asked), 'note')).not.toContain('expiry');
  });

  test('versions are no protection from whoever may write', async () => {
    const name = await container({ ...openToWriter(), 'x-versions-enabled': 'true' });
    const found = await examine(env(writer()), name);
    expectFinding(found, 'history', 'warning', /as versions .*newest version of every object for good/);
    const restoring = await examine(env(writer()), name, { examination: { task: 'restore' } });
    expectFinding(restoring, 'history', 'note');
  });

  test('history that the credential itself can switch off is warned about where backups are made', async () => {
    const history = await container();
    const name = await container({ ...openToWriter(), 'x-history-location': history });
    expectFinding(await examine(env(), name), 'history', 'warning', /this credential owns the container/);
    expectFinding(await examine(env(writer()), name), 'history', 'good', new RegExp(history));
    const restoring = await examine(env(), name, { examination: { task: 'restore' } });
    expectFinding(restoring, 'history', 'good');
    expectFinding(restoring, 'rights', 'note', /is shown the ACL/);
  });

  test('a history container that is not there stops every deletion, and is named', async () => {
    const name = await container({ 'x-history-location': 'never-made' });
    const found = await examine(env(), name);
    expectFinding(found, 'history', 'bad', /"never-made", which is not there/);
    expectFinding(
      found,
      'delete',
      'warning',
      /412, as when the container of X-History-Location is not there/,
    );
    await ask(swift(), swift(), 'POST', `/${name}`, { 'x-remove-history-location': 'x' });
  });

  test('versions that a deletion takes back are none that protect', async () => {
    const old = await container();
    const name = await container({ 'x-versions-location': old });
    expectFinding(await examine(env(), name), 'history', 'warning', /each deletion takes one back/);
  });

  test('an ACL that is open to everybody is named', async () => {
    const name = await container({ 'x-container-read': '.r:*,.rlistings' });
    expectFinding(await examine(env(), name), 'rights', 'warning', /everybody may read/);
  });

  test('quotas: what is left, little, and too little for a volume', async () => {
    for (const [quota, state, says] of [
      ['10000000000', 'good', /9.31 GiB; 0 B are used, 9.31 GiB are left/],
      ['1000', 'bad', /0.98 KiB are left.*have the quota raised/],
    ] as const) {
      const name = await container({ 'x-container-meta-quota-bytes': quota });
      expectFinding(await examine(env(), name), 'quota', state, says);
    }
    const full = await container({ 'x-container-meta-quota-count': '0' });
    const found = await examine(env(), full);
    expectFinding(found, 'quota', 'bad', /0 objects are left/);
    expectFinding(found, 'write', 'bad', /quota of the container or the account is reached/);
  });

  test('a container that is not there is not made', async () => {
    const name = `test-${randomUUID()}`;
    const found = await examine(env(), name);
    expectFinding(found, 'container', 'bad', /is not there.*"holdfast init" makes the container/);
    expectFinding(found, 'skipped', 'note', /permissions/);
    expect((await ask(swift(), swift(), 'GET', `/${name}`)).status).toBe(404);
  });

  test('a user without rights: each thing that is refused is named', async () => {
    const found = await examine(env(writer()), await container());
    expectFinding(found, 'container', 'bad', /may not list the container, or it is not there/);
    expectFinding(found, 'write', 'bad', /refused \(403\)/);
    expectFinding(found, 'list', 'bad', /refused \(403\)/);
  });

  test('a user who may only write, and one who may only read', async () => {
    const onlyWrite = await container({ 'x-container-write': writer().user });
    const found = await examine(env(writer()), onlyWrite);
    expect(subjects(found, 'bad')).toEqual(['container', 'read', 'list']);
    expect(await objects(onlyWrite)).toBe('');

    const onlyRead = await container({ 'x-container-read': writer().user });
    await ask(swift(), swift(), 'PUT', `/${onlyRead}/web01/town/commits/x`);
    const reading = await examine(env(writer()), onlyRead, { examination: { task: 'restore' } });
    expect(subjects(reading, 'bad')).toEqual([]);
    expectFinding(reading, 'write', 'note', /a restore does not need it/);
    expectFinding(reading, 'read', 'good', /listed and read/);
    expectFinding(await examine(env(writer()), onlyRead), 'write', 'bad', /403/);
  });

  test('read-only sends nothing but questions', async () => {
    const path = await faulty.startFaultyPath(swift().proxyPort);
    const authUrl = `${path.url}/auth/v1.0`;
    const found = await examine(env({ authUrl }), await container(), { examination: { readOnly: true } });
    expectFinding(found, 'read', 'note', /holds nothing of town/);
    expect(new Set(path.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
    await path.stop();
  });

  test('limits that are too small for the strategy are bad', async () => {
    const asked = {
      choice: { prefix: `${'p'.repeat(240)}/`.repeat(4).slice(0, -1) },
      examination: { volumeSize: 6 * 2 ** 30, readOnly: true },
    };
    const limits = (await examine(env(), await container(), asked)).filter(
      ({ subject }) => subject === 'limits',
    );
    expectFinding(
      limits.filter(({ what }) => /objects/.test(what) && /Holdfast/.test(what)),
      'limits',
      'bad',
      /volume.size/,
    );
    expectFinding(
      limits.filter(({ what }) => /names of at most 1024 bytes, and/.test(what)),
      'limits',
      'bad',
      /shorter prefix/,
    );
  });

  test('settings that cannot be kept, and what is not used, are said before anything is sent', async () => {
    const name = await container();
    const regions = await examine(env(), name, { choice: { allowedRegions: ['fra'] } });
    expectFinding(regions, 'credentials', 'bad', /allowedRegions cannot be kept with TempAuth/);
    expectFinding(regions, 'skipped', 'note', /sign-in/);
    expectFinding(await examine({}, name), 'credentials', 'bad', /no credentials for the Swift store/);
    const proxied = await examine({ ...env(), https_proxy: 'http://me:secret@proxy:3128' }, name, {
      choice: { insecure: true },
    });
    expectFinding(proxied, 'proxy', 'note', /https_proxy is set .*not used/);
    expectFinding(proxied, 'TLS', 'warning', /insecure: true/);
    expect(JSON.stringify(proxied)).not.toContain('secret@');
  });

  describe('on a bad way', () => {
    let path: faulty.FaultyPath;
    let name: string;
    /** Swift's own, by its header. */
    const refusal = (code: number) => faulty.status(code, { headers: { 'x-trans-id': 'tx-of-a-test' } });
    const through = () => env({ authUrl: `${path.url}/auth/v1.0` });

    beforeAll(async () => {
      path = await faulty.startFaultyPath(swift().proxyPort);
      name = await container();
    });
    beforeEach(() => path.clear());
    afterAll(() => path.stop());

    test('a refused sign-in', async () => {
      const found = await examine(env({ authUrl: `${path.url}/auth/v1.0`, key: 'wrong' }), name);
      expectFinding(found, 'sign-in', 'bad', /refused \(401\)/);
      expectFinding(found, 'skipped', 'note', /because the sign-in failed/);
    });

    test('a sign-in that is never answered is given up', async () => {
      const rule = path.on(faulty.signIn(), faulty.stall(faulty.forever));
      const found = await examine(through(), name, { examination: { patience: 500 } });
      expectFinding(found, 'sign-in', 'bad', /no answer within/);
      expect(rule.acted).toBeGreaterThan(0);
    });

    test('a server that is down, and one that is unwell', async () => {
      const rule = path.on(faulty.listing(name), faulty.status(503));
      const unwell = await examine(through(), name);
      expectFinding(unwell, 'container', 'bad', /the server answered 503/);
      expect(JSON.stringify(unwell)).not.toContain('check the store with');
      expect(rule.acted).toBeGreaterThan(1);
      await path.down();
      expectFinding(await examine(through(), name), 'sign-in', 'bad', /refused; is the server running/);
      await path.up();
    });

    test("a page of some proxy in the store's place", async () => {
      path.on(faulty.listing(), faulty.html());
      expectFinding(await examine(through(), name), 'container', 'bad', /no container of Swift/);
    });

    test('a token that is refused although it was just given', async () => {
      path.on(faulty.listing(), refusal(401));
      expectFinding(await examine(through(), name), 'container', 'bad', /refuses the token/);
    });

    test('a clock that is off, either way', async () => {
      const off = (ms: number) => new Date(Date.now() + ms).toUTCString();
      for (const [ms, says] of [
        [3_600_000, /behind the server's/],
        [-3_600_000, /ahead of the server's/],
      ] as const) {
        path.clear();
        const rule = path.on(faulty.listing(), faulty.changeHeaders({ date: off(ms) }));
        expectFinding(await examine(through(), name), 'clock', 'warning', says);
        expect(rule.acted).toBeGreaterThan(0);
      }
      path.clear();
      path.on(faulty.any(), faulty.changeHeaders({ date: null }));
      expectFinding(await examine(through(), name), 'clock', 'note', /does not tell its time/);
    });

    test('what is refused or altered in mid-probe is named, and the probe does not stay', async () => {
      const read = path.on(faulty.get(/\.doctor\/probe/), refusal(403));
      expectFinding(await examine(through(), name), 'read', 'bad', /403/);
      expect(read.acted).toBe(1);
      path.clear();
      path.on(faulty.del(/\.doctor/), refusal(403));
      const kept = await examine(through(), name);
      expectFinding(kept, 'delete', 'warning', /the probe is left there/);
      expect(await objects(name)).toBe('web01/town/.doctor/probe-1\n');
      path.clear();
      // Its answer is lost on the way, and it is there nevertheless.
      const lost = path.on(faulty.put(/\.doctor/), faulty.stallAnswer(faulty.forever));
      const found = await examine(through(), name, { examination: { patience: 10_000 } });
      expectFinding(found, 'write', 'bad', /no answer within/);
      expect(lost.acted).toBe(1);
      expect(await objects(name)).toBe('');
    });

    test('without /info nothing is wrong', async () => {
      path.on(faulty.get(/^\/info$/), faulty.status(403));
      const found = await examine(through(), name);
      expectFinding(found, 'limits', 'note', /does not tell its limits/);
      expect(subjects(found, 'bad')).toEqual([]);
    });
  });
});

describeWithKeystone('Keystone', (servers) => {
  const common = () => ({ OS_AUTH_URL: servers().keystone.authUrl });
  const password = ({ name, password: secret }: { name: string; password: string }) => ({
    ...common(),
    OS_USERNAME: name,
    OS_PASSWORD: secret,
    OS_PROJECT_NAME: servers().keystone.project.name,
    OS_REGION_NAME: servers().keystone.regions[0],
  });

  /** Asks the store as the member of the project. */
  async function asMember(method: string, path: string, headers: Record<string, string> = {}) {
    const { authUrl, user, project } = servers().keystone;
    const { token } = await keystoneSignIn(authUrl, user.name, user.password, project.name);
    const url = `${servers().swift.keystoneProxyUrl}/v1/AUTH_${project.id}${path}`;
    return fetch(url, { method, headers: { 'x-auth-token': token, ...headers } });
  }
  async function container(headers: Record<string, string> = {}): Promise<string> {
    const name = `test-${randomUUID()}`;
    expect((await asMember('PUT', `/${name}`, headers)).status).toBe(201);
    return name;
  }

  test('a password is a note, an application credential is not; regions and roles are told', async () => {
    const { keystone } = servers();
    const name = await container();
    const [first] = keystone.regions;
    const byPassword = await examine(password(keystone.user), name, {
      choice: { allowedRegions: [first] },
    });
    expectFinding(byPassword, 'credentials', 'note', /an application credential is better/);
    expectFinding(byPassword, 'endpoint', 'good', new RegExp(`"${first}", which .*allowedRegions allows`));
    expectFinding(byPassword, 'sign-in', 'good', /roles .*"member"/);
    expectFinding(byPassword, 'permissions', 'good');

    const { id, secret } = await createApplicationCredential(keystone, `doctor-${randomUUID()}`);
    const found = await examine(
      {
        ...common(),
        OS_REGION_NAME: first,
        OS_APPLICATION_CREDENTIAL_ID: id,
        OS_APPLICATION_CREDENTIAL_SECRET: secret,
      },
      name,
    );
    expectFinding(found, 'credentials', 'good', /application credential/);
    expectFinding(found, 'rights', 'note', /may list the whole account/);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  test('a region that is not allowed is refused before the store is asked', async () => {
    const { keystone } = servers();
    const found = await examine(password(keystone.user), 'any', {
      choice: { allowedRegions: ['elsewhere'] },
    });
    expect(subjects(found, 'bad')).toEqual(['credentials']);
    expectFinding(found, 'credentials', 'bad', /"elsewhere": nothing was sent there/);
  });

  test('a user with an ACL for the container alone has the least rights', async () => {
    const { ordinary, project } = servers().keystone;
    const who = `${project.id}:${ordinary.id}`;
    const history = await container();
    const name = await container({
      'x-container-read': who,
      'x-container-write': who,
      'x-history-location': history,
    });
    const found = await examine(password(ordinary), name);
    expect(subjects(found, 'bad')).toEqual([]);
    expectFinding(found, 'rights', 'good', /to the container alone/);
    expectFinding(found, 'history', 'good');
  });

  test('a credential whose access rules lack POST cannot let backups expire, and one without rules can', async () => {
    const name = `test-${randomUUID()}`;
    const parties = await keystone(servers().keystone, name);
    await makeContainers(parties, name, { 'x-history-location': `${name}-history` });
    const found = await examine(parties.hostEnv, name);
    expect(subjects(found, 'bad')).toEqual([]);
    expectFinding(found, 'expiry', 'good', /cannot put an expiry date/);
    const byPassword = await examine(password(servers().keystone.ordinary), name);
    expectFinding(byPassword, 'expiry', 'note', /could let all backups expire/);
  });
});
