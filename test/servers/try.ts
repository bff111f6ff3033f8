/** `npm run swift`: a Swift, and with --keystone a Keystone too, to try Holdfast out with. Runs until Ctrl-C. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startCloud } from './cloud.ts';
import { createApplicationCredential, type KeystoneAddress, signInWith } from './keystone-api.ts';
import { missingServers } from './missing.ts';
import { type SwiftServer, startSwift } from './swift.ts';

const USAGE = `Usage: npm run swift [-- --keystone]

Starts a real OpenStack Swift on loopback, with a container "backups", until Ctrl-C; what it stores is gone then.

  --keystone  starts a Keystone too, and signs in there with an application credential
`;
const CONTAINER = 'backups';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { keystone: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const missing = missingServers();
  if (missing.length > 0) {
    process.stderr.write(`This machine lacks ${missing.join(', ')}: see "npm run packages".\n`);
    return 1;
  }
  const interrupted = Promise.race(['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal)));
  process.stdout.write('Starting …\n');
  const running = values.keystone ? await withKeystone() : await swiftAlone();
  process.stdout.write(`${running.text}\nRunning until Ctrl-C. Logs: ${running.folder}\n`);
  // Signal handlers alone do not keep Node running.
  const awake = setInterval(() => undefined, 60_000);
  await interrupted;
  clearInterval(awake);
  process.stdout.write('\nStopping …\n');
  await running.stop();
  return 0;
}

interface Running {
  text: string;
  folder: string;
  stop(): Promise<void>;
}

async function swiftAlone(): Promise<Running> {
  const swift = await startSwift();
  const answer = await fetch(swift.authUrl, {
    headers: { 'x-auth-user': swift.user, 'x-auth-key': swift.key },
  });
  await makeContainer(answer.headers.get('x-storage-url'), answer.headers.get('x-auth-token'));
  const variables = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  return { text: instructions(variables), folder: swift.folder, stop: () => swift.stop() };
}

async function withKeystone(): Promise<Running> {
  const cloud = await startCloud();
  const [swift, keystone]: [SwiftServer, KeystoneAddress] = await Promise.all([cloud.swift, cloud.keystone]);
  const credential = await createApplicationCredential(keystone, 'try');
  const { token, catalog } = await signInWith(keystone.authUrl, credential);
  await makeContainer(catalog.find(({ type }) => type === 'object-store')?.endpoints[0]?.url, token);
  const variables = {
    OS_AUTH_TYPE: 'v3applicationcredential',
    OS_AUTH_URL: keystone.authUrl,
    OS_REGION_NAME: keystone.regions[0],
    OS_APPLICATION_CREDENTIAL_ID: credential.id,
    OS_APPLICATION_CREDENTIAL_SECRET: credential.secret,
  };
  return { text: instructions(variables), folder: swift.folder, stop: cloud.stop };
}

async function makeContainer(storageUrl: string | null | undefined, token: string | null): Promise<void> {
  const url = `${storageUrl}/${CONTAINER}`;
  const { ok, status } = await fetch(url, { method: 'PUT', headers: { 'x-auth-token': token ?? '' } });
  if (!ok) throw new Error(`PUT ${url}: ${status}`);
}

function instructions(variables: Record<string, string>): string {
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${value}\n`);
  return `
In the strategy:

store:
  swift: { container: ${CONTAINER}, prefix: try }

In the shell that runs holdfast, or the swift client:

${exports.join('')}`;
}

process.exitCode = await main();
