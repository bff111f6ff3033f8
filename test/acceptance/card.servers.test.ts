/** The restore card of a Swift store: its commands work as they stand on it, with the variables that it asks for, and no others. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences, record } from '../demo/snapshot.ts';
import { createApplicationCredential } from '../servers/keystone-api.ts';
import { describeWithKeystone, describeWithSwift } from '../servers/servers.ts';
import { tempAuthEnv } from '../store/swift/opening.ts';
import { followCard, layOut } from './card.ts';
import { Machine } from './program.ts';

const COMMANDS = [
  'holdfast points',
  'holdfast restore',
  'swift download',
  'gpg --import',
  'python3 recover.py',
];

/** Backs up, prints the card, and follows it; returns the card. */
async function restoreByCard(env: NodeJS.ProcessEnv, swift: Record<string, unknown>): Promise<string> {
  const machine = await Machine.prepare({ store: { swift } });
  machine.write('file', 'content');
  for (const args of [['init', '--card', 'card.txt'], ['backup']]) {
    const { code, stderr } = await machine.runAs({ env }, ...args);
    expect(code, stderr).toBe(0);
  }
  const card = readFileSync(join(machine.folder, 'card.txt'), 'utf8');
  expect(card).toMatch(/^[\n\x20-\x7e]*$/);
  expect(card.split('\n').length).toBeLessThan(66);
  for (const name of Object.keys(env)) expect(card).toContain(name);
  const desk = layOut(machine);
  await followCard(card, desk, env, COMMANDS);
  for (const i of [1, 4]) {
    expect(differences(machine.recordSource(), record(join(desk, `restored-${i}`, machine.source)))).toEqual(
      [],
    );
  }
  return card;
}

describeWithSwift('TempAuth', (swift) => {
  test.each(['web01', '', "mayor's & other/hosts"])('below the prefix "%s"', async (prefix) => {
    const container = `test-${randomUUID()}`;
    await restoreByCard(tempAuthEnv(swift()), { container, ...(prefix !== '' && { prefix }) });
  });
});

describeWithKeystone('Keystone', (servers) => {
  test('with an application credential', async () => {
    const { keystone } = servers();
    const { id, secret } = await createApplicationCredential(keystone, `card-${randomUUID()}`);
    const env = {
      OS_AUTH_URL: keystone.authUrl,
      OS_AUTH_TYPE: 'v3applicationcredential',
      OS_APPLICATION_CREDENTIAL_ID: id,
      OS_APPLICATION_CREDENTIAL_SECRET: secret,
      OS_REGION_NAME: keystone.regions[0],
    };
    const region = keystone.regions[0];
    const card = await restoreByCard(env, { container: `test-${randomUUID()}`, prefix: 'web01', region });
    expect(card).toContain(`OS_REGION_NAME=${region};`);
  });
});
