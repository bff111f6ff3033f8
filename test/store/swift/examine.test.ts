/** What `holdfast doctor` says of certificates: servers of TLS on loopback, which never come to be a store. */
import { expect, test } from 'vitest';
import { examineSwift } from '../../../src/store/swift/examine.ts';
import type { SwiftStore } from '../../../src/strategy/strategy.ts';
import { collect, examination, expectFinding } from '../../doctor/findings.ts';
import { answeringSecurely, makeCertificates } from './answering.ts';

function examine(authUrl: string, choice: Partial<SwiftStore> = {}) {
  const env = { ST_AUTH: authUrl, ST_USER: 'town:keeper', ST_KEY: 'a-secret' };
  const store: SwiftStore = { kind: 'swift', container: 'c', prefix: '', uploads: 1, deadline: 1, ...choice };
  const surroundings = { env, cwd: '/nonexistent', home: '/nonexistent' };
  return collect(examineSwift(store, examination(), surroundings, () => undefined));
}

test('a certificate that is not trusted, one that is, and one that is not looked at', async () => {
  const { authority, good } = await makeCertificates();
  let asked = 0;
  const url = await answeringSecurely(good, (_, response) => {
    asked += 1;
    response.writeHead(401, { 'x-trans-id': 'tx-of-a-test' }).end();
  });
  expectFinding(
    await examine(url),
    'sign-in',
    'bad',
    /certificate .* cannot be checked.*store\.swift\.caFile/,
  );
  expect(asked).toBe(0);

  const trusted = await examine(url, { caFile: authority });
  expectFinding(trusted, 'TLS', 'good', new RegExp(`certificates are checked by ${authority}`));
  expectFinding(trusted, 'sign-in', 'bad', /refused \(401\)/);
  expect(asked).toBe(1);

  const insecure = await examine(url, { insecure: true });
  expectFinding(insecure, 'TLS', 'warning', /certificates are not checked/);
  expectFinding(insecure, 'sign-in', 'bad', /refused \(401\)/);
  expect(JSON.stringify([trusted, insecure])).not.toContain('a-secret');
});

test('a file of certificates that is not there, and plain http to another machine', async () => {
  const missing = await examine('https://localhost:1', { caFile: '/nonexistent/ca.pem' });
  expectFinding(missing, 'credentials', 'bad', /\/nonexistent\/ca.pem: .* cannot be read/);
  expectFinding(await examine('http://192.0.2.1/auth'), 'sign-in', 'bad', /is not encrypted: use https/);
});
