import { describe, expect, test } from 'vitest';
import { found, PASSWORD_SET, type Place, refused, SECRET } from './place.ts';

const URL_V3 = 'https://keystone.example.org:5000/v3';
const DEFAULT = { id: 'default' };
const AUTH = `auth_url: ${URL_V3}, username: backup, project_name: townhall`;
const CLOUD = `clouds: { townhall: { auth: { ${AUTH}, password: ${SECRET} } } }\n`;
const HOME = 'home/.config/openstack/clouds.yaml';

/** A cloud `townhall` in the usual place, asked for by the strategy. */
function cloud(body: string): Place {
  return { files: { [HOME]: `clouds:\n  townhall: { ${body} }\n` }, store: { cloud: 'townhall' } };
}

function withAuth(auth: string, rest = ''): Place {
  return cloud(`auth: { auth_url: '${URL_V3}', ${auth} }${rest === '' ? '' : `, ${rest}`}`);
}

const WHOLE = `username: backup, password: ${SECRET}, project_name: townhall`;

describe('a cloud of clouds.yaml', () => {
  const user = (value: unknown) => ({ how: { user: value } });
  const cases: [string, Place, object][] = [
    [
      'domains by id',
      withAuth(`${WHOLE}, user_domain_id: u, project_domain_id: p`),
      { how: { user: { domain: { id: 'u' } }, project: { domain: { id: 'p' } } } },
    ],
    [
      'domains by name',
      withAuth(`${WHOLE}, user_domain_name: u, project_domain_name: p`),
      { how: { user: { domain: { name: 'u' } }, project: { domain: { name: 'p' } } } },
    ],
    [
      'one domain for both',
      withAuth(`${WHOLE}, domain_name: d, project_domain_id: p`),
      { how: { user: { domain: { name: 'd' } }, project: { domain: { id: 'p' } } } },
    ],
    [
      'one domain for both before a default one',
      withAuth(`${WHOLE}, domain_id: d, default_domain_id: d0`),
      { how: { user: { domain: { id: 'd' } }, project: { domain: { id: 'd' } } } },
    ],
    [
      'a default domain',
      withAuth(`${WHOLE}, default_domain_id: d`),
      { how: { user: { domain: { id: 'd' } } } },
    ],
    [
      'ids',
      withAuth(`user_id: u, password: ${SECRET}, project_id: p`),
      { how: { user: { id: 'u' }, project: { id: 'p' } } },
    ],
    [
      'tenants',
      withAuth(`username: u, password: ${SECRET}, tenant_name: t`),
      { how: { project: { name: 't', domain: DEFAULT } } },
    ],
    [
      'hyphens',
      withAuth(`username: u, password: ${SECRET}, project-name: p, user-domain-name: d`, 'region-name: fra'),
      { region: 'fra', ...user({ name: 'u', domain: { name: 'd' } }) },
    ],
    [
      'keys beside auth',
      cloud(`auth: { auth_url: '${URL_V3}', username: b, password: ${SECRET} }, project_name: p`),
      { how: { project: { name: 'p' } } },
    ],
    ['auth_type', withAuth(WHOLE, 'auth_type: v3password'), { how: { kind: 'password' } }],
    [
      'an application credential',
      withAuth(
        `application_credential_id: a, application_credential_secret: ${SECRET}`,
        'auth_type: v3applicationcredential',
      ),
      { how: { kind: 'application-credential', which: { id: 'a' }, secret: SECRET } },
    ],
    [
      'an application credential by name',
      withAuth(`application_credential_name: a, user_id: u, application_credential_secret: ${SECRET}`),
      { how: { which: { name: 'a', user: { id: 'u' } } } },
    ],
    [
      'TempAuth',
      cloud(
        `auth_type: v1password, auth: { auth_url: 'https://s.example.org/auth/v1.0', username: 'a:b', password: ${SECRET} }`,
      ),
      { authUrl: 'https://s.example.org/auth/v1.0', how: { kind: 'tempauth', user: 'a:b', key: SECRET } },
    ],
    [
      'region and interface',
      withAuth(WHOLE, 'region_name: fra, interface: internal'),
      { region: 'fra', interface: 'internal' },
    ],
    ['endpoint_type', withAuth(WHOLE, 'endpoint_type: adminURL'), { interface: 'admin' }],
    ['the only one of regions', withAuth(WHOLE, 'regions: [fra]'), { region: 'fra' }],
    ['a region as a block', withAuth(WHOLE, 'regions: [{ name: fra }]'), { region: 'fra' }],
    ['a choice among regions', withAuth(WHOLE, 'regions: [fra, ber], region_name: ber'), { region: 'ber' }],
    ['cacert', withAuth(WHOLE, 'cacert: /ca.pem'), { caFile: '/ca.pem', insecure: false }],
    [
      'cacert from the folder of the file',
      withAuth(WHOLE, 'cacert: ca.pem'),
      { caFile: '$ROOT/home/.config/openstack/ca.pem' },
    ],
    ['cacert from the home folder', withAuth(WHOLE, 'cacert: ~/ca.pem'), { caFile: '$ROOT/home/ca.pem' }],
    ['verify', withAuth(WHOLE, 'verify: false'), { insecure: true }],
    ['verify as YAML 1.1 has it', withAuth(WHOLE, 'verify: no'), { insecure: true }],
    ['verify as text', withAuth(WHOLE, 'verify: "False"'), { insecure: true }],
    ['verify: true', withAuth(WHOLE, 'verify: true'), { insecure: false }],
    ['insecure', withAuth(WHOLE, 'insecure: true, verify: true'), { insecure: true }],
    ['version 3', withAuth(WHOLE, 'identity_api_version: 3'), { how: { kind: 'password' } }],
    [
      'what other tools keep there',
      withAuth(WHOLE, 'networks: [{ name: a }], compute_api_version: 2, api_timeout: 5'),
      { how: { kind: 'password' } },
    ],
    [
      'merge keys',
      {
        ...cloud(''),
        files: {
          [HOME]: `x: &x { ${AUTH}, password: ${SECRET} }\nclouds: { townhall: { auth: { <<: *x, username: other } } }\n`,
        },
      },
      user({ name: 'other', domain: DEFAULT }),
    ],
  ];
  test.each(cases)('%s', async (_, place, expected) => {
    expect(await found(place)).toMatchObject(expected);
  });

  test('nothing is made up besides', async () => {
    expect(await found(withAuth(WHOLE))).toEqual({
      authUrl: URL_V3,
      how: {
        kind: 'password',
        user: { name: 'backup', domain: DEFAULT },
        password: SECRET,
        project: { name: 'townhall', domain: DEFAULT },
      },
      interface: 'public',
      insecure: false,
      source: `cloud "townhall" in $ROOT/${HOME}`,
    });
  });

  test('the interface of the cloud holds, unless the strategy says one', async () => {
    const place = withAuth(WHOLE, 'interface: internal, region_name: ber, cacert: /a.pem, verify: false');
    const store = { cloud: 'townhall', interface: 'public', region: 'fra', caFile: '/b.pem' } as const;
    expect(await found({ ...place, store })).toMatchObject({
      interface: 'public',
      region: 'fra',
      caFile: '/b.pem',
      insecure: false,
    });
  });

  const wrong: [string, Place, string][] = [
    [
      'a misspelt key',
      withAuth(`${WHOLE}, pasword: ${SECRET}`),
      'cloud "townhall": auth.pasword: unknown key; did you mean "password"?',
    ],
    [
      'a strange key',
      withAuth(`${WHOLE}, zzz: 1`),
      'auth.zzz: unknown key; known here are auth_url, username',
    ],
    [
      'a password that has run into its key',
      withAuth(`${WHOLE}, "password:${SECRET}": `),
      'auth: holds an unknown key',
    ],
    [
      'a number for a password',
      withAuth('username: b, password: 4711, project_name: p'),
      'auth.password: must be text: give it a value, in quotes where it looks like a number',
    ],
    ['no value', withAuth('username: b, password: , project_name: p'), 'auth.password: must be text'],
    ['an empty value', withAuth("username: b, password: '', project_name: p"), 'auth.password: is empty'],
    ['auth that is text', cloud(`auth: ${SECRET}`), 'auth: must be a block of keys'],
    [
      'a profile',
      withAuth(WHOLE, 'profile: someone'),
      'profile: profiles of vendors are not supported: write the auth_url and the rest out',
    ],
    ['version 2', withAuth(WHOLE, 'identity_api_version: "2.0"'), 'identity_api_version: must be 3'],
    ['another auth_type', withAuth(WHOLE, 'auth_type: v2password'), 'this auth_type is not supported'],
    [
      'a client certificate',
      withAuth(WHOLE, 'cert: /c.pem'),
      'cert: certificates of the client are not supported',
    ],
    [
      'an endpoint of its own',
      withAuth(WHOLE, 'object_store_endpoint_override: https://x'),
      'object_store_endpoint_override: the endpoint is taken from the catalogue alone',
    ],
    [
      'several regions',
      withAuth(WHOLE, 'regions: [fra, ber]'),
      'has several regions ("fra", "ber"): choose one with region_name',
    ],
    [
      'settings of a region',
      withAuth(WHOLE, 'regions: [{ name: fra, values: { interface: admin } }]'),
      'settings of a single region are not supported',
    ],
    ['verify that is neither', withAuth(WHOLE, 'verify: maybe'), 'verify: must be true or false'],
    [
      'an interface that is none',
      withAuth(WHOLE, 'endpoint_type: publik'),
      'endpoint_type must be public, internal or admin',
    ],
    [
      'a missing password',
      withAuth('username: b, project_name: p'),
      'auth.password (there or in secure.yaml beside it) is missing',
    ],
    [
      'a domain that TempAuth does not know',
      cloud(
        `auth_type: v1password, auth: { auth_url: 'https://s/auth/v1.0', username: u, password: ${SECRET}, project_name: p }`,
      ),
      'auth.project_name means nothing to TempAuth',
    ],
    ['nothing at all', cloud(''), 'auth.auth_url and auth.username or auth.user_id and auth.password'],
    [
      'another cloud',
      { ...withAuth(WHOLE), store: { cloud: 'church' } },
      'holds no cloud "church"; there is "townhall"',
    ],
    [
      'a name of every object',
      { ...withAuth(WHOLE), store: { cloud: 'constructor' } },
      'holds no cloud "constructor"',
    ],
    [
      'no clouds',
      { ...withAuth(WHOLE), files: { [HOME]: 'cloud: {}\n' } },
      'holds no clouds: it must begin with "clouds:"',
    ],
    ['an empty file', { ...withAuth(WHOLE), files: { [HOME]: '' } }, 'holds no clouds'],
    [
      'a list',
      { ...withAuth(WHOLE), files: { [HOME]: 'clouds: [townhall]\n' } },
      'clouds: must be a block of keys',
    ],
    [
      'an alias for a password',
      {
        ...withAuth(WHOLE),
        files: { [HOME]: `clouds:\n  townhall:\n    auth:\n      password: *${SECRET}\n` },
      },
      'is not valid YAML',
    ],
    [
      'a broken file',
      { ...withAuth(WHOLE), files: { [HOME]: `clouds:\n  townhall:\n   password: "${SECRET}\n` } },
      'is not valid YAML (line 4, column 1)',
    ],
    ['endless brackets', { ...withAuth(WHOLE), files: { [HOME]: '['.repeat(20_000) } }, 'is not valid YAML'],
    [
      'aliases of aliases',
      {
        ...withAuth(WHOLE),
        files: {
          [HOME]: `a0: &a0 [x]\n${Array.from({ length: 20 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`).join('\n')}\nclouds: *a20\n`,
        },
      },
      'is not valid YAML',
    ],
    [
      'everybody',
      { ...withAuth(WHOLE), modes: { [HOME]: 0o644 } },
      'holds a secret and can be read by every user of this machine; take that right away (chmod 600)',
    ],
    [
      'a secret of another cloud, that everybody can read',
      {
        ...withAuth(WHOLE),
        files: { [HOME]: `clouds: { townhall: {}, church: { auth: { password: ${SECRET} } } }` },
        modes: { [HOME]: 0o604 },
      },
      'holds a secret',
    ],
  ];
  test.each(wrong)('%s is refused', async (_, place, message) => {
    const error = await refused(place);
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(message) });
    expect(error.message).toContain(`$ROOT/${HOME}`);
    expect(error.message).not.toContain(SECRET);
    expect(error.message).not.toContain('\n');
  });
});

describe('where clouds.yaml is looked for', () => {
  const at = (name: string) =>
    `clouds: { townhall: { auth: { ${AUTH}, password: ${SECRET} }, region_name: ${name} } }\n`;
  const files = {
    'named/mine.yaml': at('named'),
    'c/clouds.yaml': at('systemd'),
    'cwd/clouds.yaml': at('cwd'),
    'x/openstack/clouds.yaml': at('xdg'),
    [HOME]: at('home'),
  };
  const env = {
    OS_CLIENT_CONFIG_FILE: '$ROOT/named/mine.yaml',
    CREDENTIALS_DIRECTORY: '$ROOT/c',
    XDG_CONFIG_HOME: '$ROOT/x',
  };
  test('in this order, the first alone', async () => {
    const left: Record<string, string> = { ...files };
    const variables: Record<string, string> = { ...env };
    for (const [file, region] of [
      ['named/mine.yaml', 'named'],
      ['c/clouds.yaml', 'systemd'],
      ['cwd/clouds.yaml', 'cwd'],
      ['x/openstack/clouds.yaml', 'xdg'],
      [HOME, 'home'],
    ] as const) {
      const place = { files: left, env: variables, store: { cloud: 'townhall' } };
      expect(await found(place)).toMatchObject({ region, source: `cloud "townhall" in $ROOT/${file}` });
      delete left[file];
      delete variables.OS_CLIENT_CONFIG_FILE;
    }
  });

  test.each(['clouds.yml', 'clouds.json'])('also as %s', async (name) => {
    const json = {
      clouds: {
        townhall: { auth: { auth_url: URL_V3, username: 'b', project_name: 'p', password: SECRET } },
      },
    };
    const place = { files: { [`cwd/${name}`]: JSON.stringify(json) }, store: { cloud: 'townhall' } };
    expect(await found(place)).toMatchObject({ source: `cloud "townhall" in $ROOT/cwd/${name}` });
  });

  test('the strategy chooses the cloud before OS_CLOUD, and that before OS_*', async () => {
    const two = `clouds: { townhall: { auth: { ${AUTH}, password: a } }, church: { auth: { ${AUTH}, password: b } } }`;
    const place = { files: { [HOME]: two }, env: { ...PASSWORD_SET, OS_CLOUD: 'church' } };
    expect(await found(place)).toMatchObject({ how: { password: 'b' } });
    expect(await found({ ...place, store: { cloud: 'townhall' } })).toMatchObject({ how: { password: 'a' } });
    expect(await found({ ...place, env: PASSWORD_SET })).toMatchObject({ how: { password: SECRET } });
  });

  test('a file that is named and not there is told so, although there are others', async () => {
    const { message } = await refused({ files: { [HOME]: CLOUD }, env, store: { cloud: 'townhall' } });
    expect(message).toContain(
      '$ROOT/named/mine.yaml: there is no such file, but OS_CLIENT_CONFIG_FILE names it',
    );
  });

  test('without any, the places are told', async () => {
    const { code, message } = await refused({ env: { OS_CLOUD: 'townhall' } });
    expect(code).toBe('strategy');
    expect(message).toContain(
      'cloud "townhall" is asked for, but there is no clouds.yaml (looked for $ROOT/cwd/clouds.yaml, $ROOT/home/.config/openstack/clouds.yaml, /etc/openstack/clouds.yaml)',
    );
  });
});

describe('a clouds.yaml that the strategy names', () => {
  const two = `clouds: { townhall: { auth: { ${AUTH}, password: a } }, church: { auth: { ${AUTH}, password: b } } }`;
  const place = (text: string, store: Place['store'] = {}): Place => ({
    files: { 'etc/my clouds': text, [HOME]: 'nonsense' },
    env: {
      ...PASSWORD_SET,
      OS_CLOUD: 'church',
      OS_CLIENT_CONFIG_FILE: '/nowhere',
      OS_CLIENT_SECURE_FILE: '/nowhere',
    },
    store: { credentialsFile: '$ROOT/etc/my clouds', ...store },
  });

  test('its only cloud need not be named, and the environment does not matter', async () => {
    expect(await found(place(CLOUD))).toMatchObject({
      how: { password: SECRET },
      source: 'cloud "townhall" in $ROOT/etc/my clouds',
    });
    expect(await found(place(`# clouds\n---\n${two}`, { cloud: 'townhall' }))).toMatchObject({
      how: { password: 'a' },
    });
  });

  test('of several, one must be named', async () => {
    expect((await refused(place(two))).message).toBe(
      '$ROOT/etc/my clouds: holds several clouds: choose one with store.swift.cloud ("townhall", "church")',
    );
  });
});

describe('secure.yaml', () => {
  const open = `clouds: { townhall: { auth: { ${AUTH} }, region_name: fra } }\n`;
  const secure = `clouds: { townhall: { auth: { password: ${SECRET} }, region_name: ber } }\n`;
  const store = { cloud: 'townhall' };
  const expected = { how: { user: { name: 'backup' }, password: SECRET }, region: 'ber' };
  const cases: [string, Place][] = [
    ['beside clouds.yaml', { files: { [HOME]: open, 'home/.config/openstack/secure.yaml': secure } }],
    [
      'named by a variable',
      {
        files: { [HOME]: open, s: secure, 'cwd/secure.yaml': 'x' },
        env: { OS_CLIENT_SECURE_FILE: '$ROOT/s' },
      },
    ],
    [
      'among the credentials of systemd',
      { files: { [HOME]: open, 'c/secure.yaml': secure }, env: { CREDENTIALS_DIRECTORY: '$ROOT/c' } },
    ],
    [
      'beside the one that the strategy names',
      {
        files: { 'etc/a.yaml': open, 'etc/secure.yaml': secure },
        store: { credentialsFile: '$ROOT/etc/a.yaml' },
      },
    ],
    [
      'of which clouds.yaml may be read by everybody',
      { files: { [HOME]: open, 'home/.config/openstack/secure.yaml': secure }, modes: { [HOME]: 0o644 } },
    ],
  ];
  test.each(cases)('%s', async (_, place) => {
    expect(await found({ store, ...place })).toMatchObject(expected);
  });

  test('without the cloud it adds nothing', async () => {
    const files = { [HOME]: CLOUD, 'home/.config/openstack/secure.yaml': 'clouds: { church: {} }' };
    expect(await found({ store, files })).toMatchObject({ how: { password: SECRET } });
  });

  const wrong: [string, string, number, string][] = [
    ['everybody can read it', secure, 0o644, 'holds a secret and can be read by every user'],
    [
      'it is wrong',
      `clouds: { townhall: { auth: { pasword: ${SECRET} } } }`,
      0o600,
      'cloud "townhall": auth.pasword: unknown key',
    ],
  ];
  test.each(wrong)('where %s, it is refused', async (_, text, mode, message) => {
    const file = 'home/.config/openstack/secure.yaml';
    const error = await refused({ store, files: { [HOME]: open, [file]: text }, modes: { [file]: mode } });
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(`$ROOT/${file}: `) });
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(SECRET);
  });
});
