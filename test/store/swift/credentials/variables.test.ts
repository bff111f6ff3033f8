import { describe, expect, test } from 'vitest';
import { found, PASSWORD_SET, type Place, refused, SECRET, TEMPAUTH_SET } from './place.ts';

const URL_V3 = 'https://keystone.example.org:5000/v3';
const DEFAULT = { id: 'default' };

const PASSWORD = {
  authUrl: URL_V3,
  how: {
    kind: 'password',
    user: { name: 'backup', domain: DEFAULT },
    password: SECRET,
    project: { name: 'townhall', domain: DEFAULT },
  },
  interface: 'public',
  insecure: false,
  source: 'the OS_* variables of the environment',
};

const TEMPAUTH = {
  authUrl: 'https://swift.example.org/auth/v1.0',
  how: { kind: 'tempauth', user: 'townhall:backup', key: SECRET },
  interface: 'public',
  insecure: false,
  source: 'the ST_* variables of the environment',
};

const APPLICATION_SET = {
  OS_AUTH_TYPE: 'v3applicationcredential',
  OS_AUTH_URL: URL_V3,
  OS_APPLICATION_CREDENTIAL_ID: 'abc',
  OS_APPLICATION_CREDENTIAL_SECRET: SECRET,
};
const APPLICATION = { kind: 'application-credential', which: { id: 'abc' }, secret: SECRET };

function without<T extends object>(set: T, ...names: (keyof T)[]): Record<string, string> {
  return Object.fromEntries(Object.entries(set).filter(([name]) => !names.includes(name as keyof T)));
}

describe('variables of OpenStack', () => {
  const userAs = (user: unknown) => ({ how: { ...PASSWORD.how, user } });
  const projectAs = (project: unknown) => ({ how: { ...PASSWORD.how, project } });
  const cases: [string, Record<string, string>, object][] = [
    ['the least', PASSWORD_SET, PASSWORD],
    [
      'an auth URL without version',
      { ...PASSWORD_SET, OS_AUTH_URL: 'https://k.example.org/identity' },
      { authUrl: 'https://k.example.org/identity' },
    ],
    [
      'empty ones count as not set',
      { ...PASSWORD_SET, OS_REGION_NAME: '', OS_USER_DOMAIN_ID: '', OS_CACERT: '', OS_INSECURE: '' },
      PASSWORD,
    ],
    ['a user by id', { ...PASSWORD_SET, OS_USER_ID: 'u1' }, userAs({ id: 'u1' })],
    [
      'a domain of the user by name',
      { ...PASSWORD_SET, OS_USER_DOMAIN_NAME: 'Town' },
      userAs({ name: 'backup', domain: { name: 'Town' } }),
    ],
    [
      'a domain of the user by id',
      { ...PASSWORD_SET, OS_USER_DOMAIN_ID: 'd1' },
      userAs({ name: 'backup', domain: { id: 'd1' } }),
    ],
    ['a project by id', { ...PASSWORD_SET, OS_PROJECT_ID: 'p1' }, projectAs({ id: 'p1' })],
    [
      'a tenant by name',
      { ...without(PASSWORD_SET, 'OS_PROJECT_NAME'), OS_TENANT_NAME: 'old' },
      projectAs({ name: 'old', domain: DEFAULT }),
    ],
    [
      'a tenant by id',
      { ...without(PASSWORD_SET, 'OS_PROJECT_NAME'), OS_TENANT_ID: 't1' },
      projectAs({ id: 't1' }),
    ],
    [
      'a domain of the project',
      { ...PASSWORD_SET, OS_PROJECT_DOMAIN_NAME: 'Town' },
      projectAs({ name: 'townhall', domain: { name: 'Town' } }),
    ],
    [
      'one domain for both',
      { ...PASSWORD_SET, OS_DOMAIN_NAME: 'Town' },
      { how: { user: { domain: { name: 'Town' } }, project: { domain: { name: 'Town' } } } },
    ],
    [
      'a default domain',
      { ...PASSWORD_SET, OS_DEFAULT_DOMAIN: 'd0', OS_USER_DOMAIN_ID: 'd1' },
      { how: { user: { domain: { id: 'd1' } }, project: { domain: { id: 'd0' } } } },
    ],
    [
      'region and interface',
      { ...PASSWORD_SET, OS_REGION_NAME: 'fra', OS_INTERFACE: 'internal' },
      { region: 'fra', interface: 'internal' },
    ],
    [
      'an interface by its old name',
      { ...PASSWORD_SET, OS_ENDPOINT_TYPE: 'adminURL' },
      { interface: 'admin' },
    ],
    [
      'the new name of the interface wins',
      { ...PASSWORD_SET, OS_INTERFACE: 'public', OS_ENDPOINT_TYPE: 'adminURL' },
      { interface: 'public' },
    ],
    [
      'trust',
      { ...PASSWORD_SET, OS_CACERT: '/etc/ca.pem', OS_INSECURE: 'True' },
      { caFile: '/etc/ca.pem', insecure: true },
    ],
    [
      'a relative CA file',
      { ...PASSWORD_SET, OS_CACERT: 'ca.pem', OS_INSECURE: '0' },
      { caFile: '$ROOT/cwd/ca.pem', insecure: false },
    ],
    [
      'version and type',
      { ...PASSWORD_SET, OS_IDENTITY_API_VERSION: '3', OS_AUTH_TYPE: 'v3password' },
      PASSWORD,
    ],
    ['an application credential by id', APPLICATION_SET, { how: APPLICATION }],
    [
      'an application credential without a type',
      without(APPLICATION_SET, 'OS_AUTH_TYPE'),
      { how: APPLICATION },
    ],
    [
      'an application credential by name and user',
      {
        ...without(APPLICATION_SET, 'OS_APPLICATION_CREDENTIAL_ID'),
        OS_APPLICATION_CREDENTIAL_NAME: 'web01',
        OS_USERNAME: 'backup',
        OS_USER_DOMAIN_NAME: 'Town',
      },
      {
        how: { ...APPLICATION, which: { name: 'web01', user: { name: 'backup', domain: { name: 'Town' } } } },
      },
    ],
    [
      'TempAuth by its type',
      {
        OS_AUTH_TYPE: 'v1password',
        OS_AUTH_URL: TEMPAUTH_SET.ST_AUTH,
        OS_USERNAME: 'a:b',
        OS_PASSWORD: SECRET,
      },
      { how: { kind: 'tempauth', user: 'a:b', key: SECRET } },
    ],
    ['OS_* come before ST_*', { ...TEMPAUTH_SET, ...PASSWORD_SET }, PASSWORD],
    [
      'what only says where does not begin the OS_* set',
      { ...TEMPAUTH_SET, OS_CACERT: '/ca.pem' },
      { ...TEMPAUTH, caFile: '/ca.pem' },
    ],
  ];
  test.each(cases)('%s', async (_, env, expected) => {
    expect(await found({ env })).toMatchObject(expected);
  });

  test('nothing is made up besides', async () => {
    expect(await found({ env: PASSWORD_SET })).toEqual(PASSWORD);
    expect(await found({ env: TEMPAUTH_SET })).toEqual(TEMPAUTH);
  });

  const wrong: [string, Record<string, string>, string][] = [
    ['no password', without(PASSWORD_SET, 'OS_PASSWORD'), 'OS_PASSWORD (or OS_PASSWORD_FILE) is missing'],
    [
      'no password, although ST_* is whole',
      { ...TEMPAUTH_SET, ...without(PASSWORD_SET, 'OS_PASSWORD') },
      'OS_PASSWORD (or OS_PASSWORD_FILE) is missing',
    ],
    [
      'the URL alone',
      { OS_AUTH_URL: URL_V3 },
      'OS_USERNAME or OS_USER_ID and OS_PASSWORD (or OS_PASSWORD_FILE) and OS_PROJECT_NAME or OS_PROJECT_ID are missing',
    ],
    ['no URL', without(PASSWORD_SET, 'OS_AUTH_URL'), 'OS_AUTH_URL is missing'],
    ['no project', without(PASSWORD_SET, 'OS_PROJECT_NAME'), 'OS_PROJECT_NAME or OS_PROJECT_ID is missing'],
    [
      'no secret',
      without(APPLICATION_SET, 'OS_APPLICATION_CREDENTIAL_SECRET'),
      'OS_APPLICATION_CREDENTIAL_SECRET (or OS_APPLICATION_CREDENTIAL_SECRET_FILE) is missing',
    ],
    [
      'an application credential by name alone',
      { ...without(APPLICATION_SET, 'OS_APPLICATION_CREDENTIAL_ID'), OS_APPLICATION_CREDENTIAL_NAME: 'a' },
      'OS_USERNAME or OS_USER_ID is missing',
    ],
    [
      'two kinds at once',
      { ...PASSWORD_SET, ...without(APPLICATION_SET, 'OS_AUTH_TYPE') },
      'holds both a password and an application credential',
    ],
    [
      'a project with an application credential',
      { ...APPLICATION_SET, OS_PROJECT_ID: 'p' },
      'OS_PROJECT_ID does not go with an application credential, which has its project built in',
    ],
    [
      'an application credential under another type',
      { ...PASSWORD_SET, ...APPLICATION_SET, OS_AUTH_TYPE: 'password' },
      'OS_APPLICATION_CREDENTIAL_ID does not go with OS_AUTH_TYPE password',
    ],
    ['Keystone v2', { ...PASSWORD_SET, OS_IDENTITY_API_VERSION: '2.0' }, 'OS_IDENTITY_API_VERSION must be 3'],
    [
      'a URL of Keystone v2',
      { ...PASSWORD_SET, OS_AUTH_URL: 'https://k.example.org/v2.0/' },
      'OS_AUTH_URL is one of Keystone v2',
    ],
    [
      'a URL of TempAuth',
      { ...PASSWORD_SET, OS_AUTH_URL: 'https://s.example.org/auth/v1.0' },
      'OS_AUTH_URL is one of TempAuth',
    ],
    [
      'a token',
      { ...PASSWORD_SET, OS_AUTH_TYPE: 'v3token' },
      'this OS_AUTH_TYPE is not supported: Holdfast signs in with password, v3password',
    ],
    [
      'no URL at all',
      { ...PASSWORD_SET, OS_AUTH_URL: 'keystone.example.org' },
      'OS_AUTH_URL must be a whole URL',
    ],
    [
      'a URL that is no http',
      { ...PASSWORD_SET, OS_AUTH_URL: 'ftp://k.example.org' },
      'OS_AUTH_URL must be a whole URL',
    ],
    [
      'a password in the URL',
      { ...PASSWORD_SET, OS_AUTH_URL: `https://u:${SECRET}@k.example.org` },
      'must not hold a user or password',
    ],
    ['a query in the URL', { ...PASSWORD_SET, OS_AUTH_URL: `${URL_V3}?a=${SECRET}` }, 'must not hold "?"'],
    [
      'an interface that is none',
      { ...PASSWORD_SET, OS_INTERFACE: 'publik' },
      'OS_INTERFACE must be public, internal or admin',
    ],
    [
      'OS_INSECURE that is neither',
      { ...PASSWORD_SET, OS_INSECURE: 'maybe' },
      'OS_INSECURE must be true or false',
    ],
    [
      'a storage URL',
      { ...PASSWORD_SET, OS_STORAGE_URL: 'https://s.example.org/v1/x' },
      'OS_STORAGE_URL is not supported',
    ],
    [
      'a line break in a password',
      { ...PASSWORD_SET, OS_PASSWORD: `${SECRET}\nx` },
      'OS_PASSWORD holds a control character',
    ],
    [
      'a boundless password',
      { ...PASSWORD_SET, OS_PASSWORD: SECRET.repeat(1000) },
      'OS_PASSWORD is longer than 4096 characters',
    ],
  ];
  test.each(wrong)('%s is refused', async (_, env, message) => {
    const error = await refused({ env });
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(message) });
    expect(error.message).toMatch(/^the OS_\* variables of the environment: [^\n]+$/);
    expect(error.message).not.toContain(SECRET);
  });
});

describe('variables of Swift', () => {
  const wrong: [string, Record<string, string>, string][] = [
    ['no key', without(TEMPAUTH_SET, 'ST_KEY'), 'ST_KEY (or ST_KEY_FILE) is missing'],
    ['the user alone', { ST_USER: 'a:b' }, 'ST_AUTH and ST_KEY (or ST_KEY_FILE) are missing'],
    ['Keystone by ST_*', { ...TEMPAUTH_SET, ST_AUTH_VERSION: '3' }, 'ST_AUTH_VERSION must be 1'],
    ['a URL of Keystone', { ...TEMPAUTH_SET, ST_AUTH: URL_V3 }, 'ST_AUTH is one of Keystone'],
  ];
  test.each(wrong)('%s is refused', async (_, env, message) => {
    const error = await refused({ env });
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(message) });
    expect(error.message).not.toContain(SECRET);
  });

  test('version 1 may be said', async () => {
    expect(await found({ env: { ...TEMPAUTH_SET, ST_AUTH_VERSION: '1.0' } })).toEqual(TEMPAUTH);
  });
});

test('without any credentials, the three usual ways are told', async () => {
  const { code, message } = await refused({ env: { HOME: '/root' } });
  expect(code).toBe('strategy');
  expect(message).toBe(
    'no credentials for the Swift store: name a cloud of clouds.yaml (store.swift.cloud in /etc/holdfast/holdfast.yaml, or OS_CLOUD), or set OS_AUTH_URL with the other OS_* variables, or set ST_AUTH, ST_USER and ST_KEY',
  );
});

describe('secrets in files of their own', () => {
  const bare = without(PASSWORD_SET, 'OS_PASSWORD');
  const password = { how: { password: SECRET } };
  const cases: [string, Place, object][] = [
    [
      'named by a variable',
      { env: { ...bare, OS_PASSWORD_FILE: '$ROOT/pw' }, files: { pw: SECRET } },
      password,
    ],
    [
      'relative to the current folder',
      { env: { ...bare, OS_PASSWORD_FILE: 'pw' }, files: { 'cwd/pw': SECRET } },
      password,
    ],
    [
      'its first line alone',
      { env: { ...bare, OS_PASSWORD_FILE: '$ROOT/pw' }, files: { pw: `${SECRET}\r\nremark\n` } },
      password,
    ],
    [
      'blanks belong to it',
      { env: { ...bare, OS_PASSWORD_FILE: '$ROOT/pw' }, files: { pw: ` ${SECRET} \n` } },
      { how: { password: ` ${SECRET} ` } },
    ],
    [
      "systemd's credential",
      { env: { ...bare, CREDENTIALS_DIRECTORY: '$ROOT/c' }, files: { 'c/OS_PASSWORD': `${SECRET}\n` } },
      password,
    ],
    [
      'a variable before a credential',
      { env: { ...PASSWORD_SET, CREDENTIALS_DIRECTORY: '$ROOT/c' }, files: { 'c/OS_PASSWORD': 'other' } },
      password,
    ],
    [
      'of an application credential',
      {
        env: {
          ...without(APPLICATION_SET, 'OS_APPLICATION_CREDENTIAL_SECRET'),
          OS_APPLICATION_CREDENTIAL_SECRET_FILE: '$ROOT/s',
        },
        files: { s: SECRET },
      },
      { how: APPLICATION },
    ],
    [
      'of TempAuth',
      {
        env: { ...without(TEMPAUTH_SET, 'ST_KEY'), CREDENTIALS_DIRECTORY: '$ROOT/c' },
        files: { 'c/ST_KEY': SECRET },
      },
      TEMPAUTH,
    ],
    [
      'that the group may read',
      { env: { ...bare, OS_PASSWORD_FILE: '$ROOT/pw' }, files: { pw: SECRET }, modes: { pw: 0o640 } },
      password,
    ],
  ];
  test.each(cases)('%s', async (_, place, expected) => {
    expect(await found(place)).toMatchObject(expected);
  });

  const named = { ...bare, OS_PASSWORD_FILE: '$ROOT/pw' };
  const wrong: [string, Place, string][] = [
    [
      'one that is not there',
      { env: named },
      '$ROOT/pw: there is no such file, but OS_PASSWORD_FILE names it',
    ],
    ['one that is empty', { env: named, files: { pw: '\nx' } }, '$ROOT/pw: is empty in its first line'],
    ['a folder', { env: named, files: { 'pw/x': '' } }, '$ROOT/pw: is a folder'],
    [
      'one that everybody can read',
      { env: named, files: { pw: SECRET }, modes: { pw: 0o644 } },
      '$ROOT/pw: holds a secret and can be read by every user of this machine; take that right away (chmod 600)',
    ],
    [
      "systemd's, that everybody can read",
      {
        env: { ...bare, CREDENTIALS_DIRECTORY: '$ROOT/c' },
        files: { 'c/OS_PASSWORD': SECRET },
        modes: { 'c/OS_PASSWORD': 0o604 },
      },
      '$ROOT/c/OS_PASSWORD: holds a secret',
    ],
    [
      'one beside the variable itself',
      { env: { ...named, OS_PASSWORD: SECRET }, files: { pw: SECRET } },
      'both OS_PASSWORD and OS_PASSWORD_FILE are set',
    ],
    [
      'one without end',
      { env: named, files: { pw: SECRET.repeat(200_000) } },
      '$ROOT/pw: is larger than 1 MiB',
    ],
    ['one that is no text', { env: { ...bare, OS_PASSWORD_FILE: '/bin/true' } }, '/bin/true: is not UTF-8'],
  ];
  test.each(wrong)('%s is refused', async (_, place, message) => {
    const error = await refused(place);
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(message) });
    expect(error.message).not.toContain(SECRET);
  });
});

describe('a file of variables that the strategy names', () => {
  const look = (text: string, more: Place = {}): Place => ({
    ...more,
    files: { 'etc/openrc': text, ...more.files },
    store: { credentialsFile: '$ROOT/etc/openrc', ...more.store },
  });
  const rest = `OS_AUTH_URL=${URL_V3}\nOS_USERNAME=backup\nOS_PROJECT_NAME=townhall\n`;
  const cases: [string, string, string][] = [
    ['plain', 'OS_PASSWORD=a-b.c', 'a-b.c'],
    ['exported', 'export OS_PASSWORD=abc', 'abc'],
    ['with blanks around', '  export   OS_PASSWORD=abc  ', 'abc'],
    ['single quotes', 'OS_PASSWORD=\'a $b `c` "d" \\e #f\'', 'a $b `c` "d" \\e #f'],
    ['double quotes', 'OS_PASSWORD="a \\"b\\" \\$c \\\\d \\e #f"', 'a "b" $c \\d \\e #f'],
    ['an equals sign', 'OS_PASSWORD=a=b==', 'a=b=='],
    ['a hash within', 'OS_PASSWORD=a#b', 'a#b'],
    ['UTF-8', 'OS_PASSWORD=grüße', 'grüße'],
    ['the last of two', 'OS_PASSWORD=first\nOS_PASSWORD=second', 'second'],
    ['comments and empty lines', '# password\n; of systemd\n\n  \nOS_PASSWORD=abc', 'abc'],
    ['other variables', 'PATH=/bin\nOS_PASSWORD=abc', 'abc'],
    ['lines of Windows', 'OS_PASSWORD=abc\r', 'abc'],
  ];
  test.each(cases)('%s', async (_, line, password) => {
    expect(await found(look(`${line}\n${rest}`))).toMatchObject({
      how: { password },
      source: 'the OS_* variables of $ROOT/etc/openrc',
    });
  });

  test('a byte order mark in front is passed over', async () => {
    expect(await found(look(`\uFEFFOS_PASSWORD=abc\n${rest}`))).toMatchObject({ how: { password: 'abc' } });
  });

  test('ST_* variables, and relative names from its folder', async () => {
    const text = 'ST_AUTH=https://s.example.org/auth/v1.0\nST_USER=a:b\nST_KEY_FILE=key\nOS_CACERT=ca.pem\n';
    expect(await found(look(text, { files: { 'etc/key': SECRET } }))).toMatchObject({
      how: { kind: 'tempauth', user: 'a:b', key: SECRET },
      caFile: '$ROOT/etc/ca.pem',
    });
  });

  test('it counts alone: the environment does not complete or replace it, but for credentials of systemd', async () => {
    const environment = { ...PASSWORD_SET, OS_REGION_NAME: 'elsewhere' };
    expect((await refused(look(rest, { env: environment }))).message).toContain('OS_PASSWORD');
    const credential = {
      env: { ...environment, CREDENTIALS_DIRECTORY: '$ROOT/c' },
      files: { 'c/OS_PASSWORD': 'abc' },
    };
    const credentials = await found(look(rest, credential));
    expect(credentials).toMatchObject({ how: { password: 'abc' } });
    expect(credentials).not.toHaveProperty('region');
  });

  test('without a secret in it, everybody may read it', async () => {
    const place = {
      env: { CREDENTIALS_DIRECTORY: '$ROOT/c' },
      files: { 'c/OS_PASSWORD': 'abc' },
      modes: { 'etc/openrc': 0o644 },
    };
    expect(await found(look(rest, place))).toMatchObject({ how: { password: 'abc' } });
  });

  const wrong: [string, string, Place, string][] = [
    [
      'a command',
      `OS_PASSWORD=$(pass show ${SECRET})`,
      {},
      'line 1 (OS_PASSWORD) has "$" or a backquote, but nothing is expanded here',
    ],
    ['a command in double quotes', `OS_PASSWORD="$(pass ${SECRET})"`, {}, 'line 1 (OS_PASSWORD) has "$"'],
    ['a variable', 'OS_PASSWORD=$OS_PASSWORD_INPUT', {}, 'line 1 (OS_PASSWORD) has "$"'],
    [
      'a variable behind a backslash that is one',
      `OS_PASSWORD="${SECRET}\\\\$A"`,
      {},
      'line 1 (OS_PASSWORD) has "$"',
    ],
    ['backquotes', `OS_PASSWORD=\`${SECRET}\``, {}, 'line 1 (OS_PASSWORD) has "$" or a backquote'],
    [
      'a blank',
      `OS_PASSWORD=${SECRET} b`,
      {},
      'line 1 (OS_PASSWORD) has blanks or characters that mean something to a shell',
    ],
    ['a comment behind', `OS_PASSWORD=${SECRET} # b`, {}, 'put the value in single quotes'],
    ['a semicolon', `OS_PASSWORD=${SECRET};b`, {}, 'put the value in single quotes'],
    ['a backslash', `OS_PASSWORD=${SECRET}\\b`, {}, 'put the value in single quotes'],
    [
      'a quote that does not end',
      `OS_PASSWORD="${SECRET}`,
      {},
      'line 1 (OS_PASSWORD) has a double quote that does not end where the line does',
    ],
    [
      'something behind a quote',
      `OS_PASSWORD='${SECRET}'b`,
      {},
      'line 1 (OS_PASSWORD) has a single quote that does not end',
    ],
    [
      'a script',
      `OS_USERNAME=a\nread -sr ${SECRET}`,
      {},
      'line 2 is not of the form NAME=value: scripts are not run here',
    ],
    [
      'blanks around the sign',
      `OS_USERNAME=a\nOS_PASSWORD = ${SECRET}`,
      {},
      'line 2 is not of the form NAME=value',
    ],
    [
      'everybody',
      `OS_PASSWORD=${SECRET}`,
      { modes: { 'etc/openrc': 0o644 } },
      '$ROOT/etc/openrc: holds a secret and can be read by every user',
    ],
    ['a cloud besides', 'OS_PASSWORD=x', { store: { cloud: 'townhall' } }, 'holds variables and no clouds'],
    ['no credentials', 'PATH=/bin', {}, 'holds neither OS_CLOUD nor any credentials'],
  ];
  test.each(wrong)('%s is refused', async (name, line, more, message) => {
    const place = look(name === 'no credentials' ? line : `${line}\n${rest}`, more);
    const error = await refused(place);
    expect(error).toEqual({ code: 'strategy', message: expect.stringContaining(message) });
    expect(error.message).toMatch(/^\$ROOT\/etc\/openrc: [^\n]+$/);
    expect(error.message).not.toContain(SECRET);
  });

  test('one that is not there is told so', async () => {
    const { message } = await refused({ store: { credentialsFile: '$ROOT/etc/openrc' } });
    expect(message).toContain(
      '$ROOT/etc/openrc: there is no such file, but store.swift.credentialsFile names it',
    );
  });
});

describe('what the strategy says wins', () => {
  const env = {
    ...PASSWORD_SET,
    OS_REGION_NAME: 'ber',
    OS_INTERFACE: 'internal',
    OS_CACERT: '/os.pem',
    OS_INSECURE: '1',
  };
  const cases: [string, Place['store'] & object, object][] = [
    [
      'region',
      { region: 'fra' },
      { region: 'fra', interface: 'internal', caFile: '/os.pem', insecure: true },
    ],
    ['interface', { interface: 'public' }, { region: 'ber', interface: 'public' }],
    ['certificates, which are then checked', { caFile: '/s.pem' }, { caFile: '/s.pem', insecure: false }],
    ['checking', { insecure: false }, { caFile: '/os.pem', insecure: false }],
    ['not checking', { caFile: '/s.pem', insecure: true }, { caFile: '/s.pem', insecure: true }],
  ];
  test.each(cases)('%s', async (_, store, expected) => {
    expect(await found({ env, store })).toMatchObject(expected);
  });

  test('a region or an interface with TempAuth is refused, not passed over', async () => {
    const region = await refused({ env: TEMPAUTH_SET, store: { region: 'fra' } });
    expect(region.message).toContain(
      'TempAuth knows no regions: take store.swift.region of the strategy out',
    );
    const other = await refused({ env: TEMPAUTH_SET, store: { interface: 'internal' } });
    expect(other.message).toContain('TempAuth has no internal endpoint');
    const variable = {
      OS_AUTH_TYPE: 'v1password',
      OS_AUTH_URL: TEMPAUTH_SET.ST_AUTH,
      OS_USERNAME: 'a:b',
      OS_PASSWORD: SECRET,
      OS_REGION_NAME: 'fra',
    };
    expect((await refused({ env: variable })).message).toContain('take OS_REGION_NAME out');
  });
});
