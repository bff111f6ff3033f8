/** What the library below the client would log on its own is not logged: the token stands in it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { answering } from './answering.ts';

const TOKEN = 'AUTH_tk0123456789abcdef';
const OPEN = new URL('../../../src/store/swift/open.ts', import.meta.url).href;
const PROGRAM = `
  const { openSwift } = await import(${JSON.stringify(OPEN)});
  const choice = { kind: 'swift', container: 'c', prefix: '', uploads: 1, deadline: 1 };
  const { store } = await openSwift(choice, { env: process.env, cwd: '/nonexistent', home: '/nonexistent', onRetry: console.error });
  await store.check();
  await store.close();
  console.log('done');
`;

test('NODE_DEBUG=request prints no token', async () => {
  const asked: (string | undefined)[] = [];
  const url: string = await answering((request, response) => {
    if (request.url === '/auth/v1.0') {
      response.writeHead(200, { 'x-auth-token': TOKEN, 'x-storage-url': `${url}/v1/AUTH_town` }).end();
      return;
    }
    asked.push(request.headers['x-auth-token'] as string | undefined);
    response.writeHead(200, { 'x-trans-id': 'tx', 'x-container-object-count': '0' }).end('[]');
  });
  const env = {
    PATH: process.env.PATH,
    NODE_DEBUG: 'request',
    ST_AUTH: `${url}/auth/v1.0`,
    ST_USER: 'town:keeper',
    ST_KEY: 'the-secret-key',
  };
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--experimental-strip-types', '--input-type=module', '--eval', PROGRAM],
    { env },
  );
  expect(stdout).toBe('done\n');
  expect(asked).toEqual([TOKEN]);
  expect(stderr).not.toContain(TOKEN);
  expect(stderr).not.toContain('the-secret-key');
});
