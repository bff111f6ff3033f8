/** The examples of docs/credentials.md give the credentials that they seem to give. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { found } from './place.ts';

const text = readFileSync(new URL('../../../../docs/credentials.md', import.meta.url), 'utf8');
const blocks = [...text.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);

/** The only block that holds all these words. */
function block(...words: string[]): string {
  const fitting = blocks.filter((candidate) => words.every((word) => candidate.includes(word)));
  expect(fitting).toHaveLength(1);
  return fitting[0]!;
}

/** Files of the examples lie in the folder of the test. */
const moved = (example: string) => example.replaceAll('/etc/holdfast/', '$ROOT/');

function variables(example: string): Record<string, string> {
  return Object.fromEntries(
    example
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/).slice(0, 2)),
  );
}

const SECRET = 'glance-secret';
const application = {
  kind: 'application-credential',
  which: { id: '6cb5fa6a13184e6fab65ba2108adf50c' },
  secret: SECRET,
};

test('clouds.yaml', async () => {
  const files = { 'cwd/clouds.yaml': block('clouds:', 'auth_url') };
  expect(await found({ files, store: { cloud: 'townhall' } })).toMatchObject({
    how: application,
    region: 'fra',
  });
});

test('secure.yaml beside a clouds.yaml without the secret', async () => {
  const [whole, secure] = blocks.filter((candidate) => candidate.includes('application_credential_secret:'));
  const open = whole!.replace(/^.*application_credential_secret.*\n/m, '');
  expect(open).not.toContain(SECRET);
  const files = { 'cwd/clouds.yaml': open, 'cwd/secure.yaml': secure! };
  expect(await found({ files, store: { cloud: 'townhall' } })).toMatchObject({
    how: application,
    region: 'fra',
  });
});

test('variables, with a password in a file', async () => {
  const env = variables(moved(block('OS_PASSWORD_FILE')));
  expect(await found({ env, files: { password: `${SECRET}\n` } })).toMatchObject({
    how: { kind: 'password', password: SECRET, user: { name: 'backup', domain: { name: 'Default' } } },
    region: 'fra',
  });
});

test('variables of TempAuth, with the key in a file', async () => {
  const env = variables(moved(block('ST_KEY_FILE')));
  expect(await found({ env, files: { key: SECRET } })).toMatchObject({
    how: { kind: 'tempauth', user: 'townhall:backup', key: SECRET },
  });
});

test('a file of variables', async () => {
  const files = { openrc: block('export OS_AUTH_URL') };
  expect(await found({ files, store: { credentialsFile: '$ROOT/openrc' } })).toMatchObject({
    how: { ...application, secret: 'glance-$ecret' },
  });
});

test("variables in a service, with systemd's credential for the secret", async () => {
  const [, line] = /^Environment=(.*)$/m.exec(block('LoadCredential=OS_'))!;
  const env = { ...variables(line!.replaceAll(' ', '\n')), CREDENTIALS_DIRECTORY: '$ROOT/c' };
  const files = { 'c/OS_APPLICATION_CREDENTIAL_SECRET': `${SECRET}\n` };
  expect(await found({ env, files })).toMatchObject({ how: application });
});
