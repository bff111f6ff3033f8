/** A store behind TLS: what its certificate must be, and that nothing is ever sent in the clear. */
import { request as open, type RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { changeHeaders, type FaultyPath, signIn } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import { listed, put } from '../../contract.ts';
import { answeringSecurely, type Certificates, makeCertificates } from '../answering.ts';
import { behindPath, body, type Faulty } from './around.ts';

/** Passes requests on to the path, and counts them. */
function passOn(path: FaultyPath): { listener: RequestListener; count: () => number } {
  let count = 0;
  const listener: RequestListener = (request, response) => {
    count += 1;
    const { method = 'GET', url, headers } = request;
    const onward = open(
      { host: '127.0.0.1', port: path.port, method, path: url, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
  return { listener, count: () => count };
}

/** From now on a sign-in says that the store is at `url`. */
function moveStore(at: Faulty, url: string): void {
  const account = at.session.signedIn?.storageUrl.pathname;
  at.path.expireTokens();
  at.path.on(signIn(), changeHeaders({ 'X-Storage-Url': `${url}${account}` }));
}

describeWithSwift('a store behind TLS', (swift) => {
  test('whose certificate is of the authority in caFile does everything', async () => {
    const { authority, good } = await makeCertificates();
    const at = await behindPath(swift(), { caFile: authority });
    const front = passOn(at.path);
    moveStore(at, await answeringSecurely(good, front.listener));
    const { pieces, md5, whole } = body(5_000_000);
    await at.store.put('town/a', pieces, { md5 });
    expect(Buffer.compare((await at.store.get('town/a', whole.length)) ?? Buffer.alloc(0), whole)).toBe(0);
    expect(await at.store.stat('town/a')).toEqual({ size: whole.length, md5 });
    expect(await listed(at.store, '')).toEqual([{ name: 'town/a', size: whole.length }]);
    await at.store.remove(['town/a']);
    expect(front.count()).toBeGreaterThanOrEqual(6);
    expect(at.retries).toEqual([]);
  });

  const bad: [string, keyof Certificates, boolean, RegExp][] = [
    ['of an authority that is not trusted', 'good', false, /cannot be checked.*store\.swift\.caFile/],
    ['signed by itself', 'alone', true, /signed by itself.*store\.swift\.caFile/],
    ['for another name', 'other', true, /is for another name/],
    ['that has expired', 'expired', true, /has expired/],
    ['with a key of 1,024 bits', 'weakKey', true, /refused \(.*key too weak\).*must renew it.*2048 bits/],
    ['signed with SHA-1', 'sha1', true, /refused \(.*digest algorithm too weak\).*must renew it.*SHA-256/],
    [
      'with an odd extension',
      'oddExtension',
      true,
      /refused \(unhandled critical extension\).*must renew it/,
    ],
  ];
  test.each(bad)(
    'whose certificate is %s is refused at once, and sent nothing',
    async (_, which, trusted, says) => {
      const certificates = await makeCertificates();
      const at = await behindPath(swift(), trusted ? { caFile: certificates.authority } : {});
      const front = passOn(at.path);
      moveStore(at, await answeringSecurely(certificates[which] as object, front.listener));
      for (const work of [
        () => put(at.store, 'town/a', 'x'),
        () => at.store.get('town/a', 10),
        () => listed(at.store, ''),
      ]) {
        const error = await at.refusal(work());
        expect(error).toMatchObject({ code: 'store', message: expect.stringMatching(says) });
      }
      expect(front.count()).toBe(0);
      expect(at.waits).toEqual([]);
    },
  );

  test('with a certificate that cannot be checked is used where the strategy says insecure', async () => {
    const { alone } = await makeCertificates();
    const at = await behindPath(swift(), { insecure: true });
    const front = passOn(at.path);
    moveStore(at, await answeringSecurely(alone, front.listener));
    await put(at.store, 'town/a', 'x');
    expect(front.count()).toBeGreaterThanOrEqual(1);
  });

  describe('that a sign-in', () => {
    test.each([
      [
        'says to be reached in the clear',
        'http://swift.example.invalid:8080',
        'strategy',
        /is not encrypted: use https/,
      ],
      ['says to be at no URL', 'swift.example.invalid', 'store', /no URL that can be used/],
    ])('%s is refused, and sent nothing', async (_, url, code, says) => {
      const at = await behindPath(swift());
      moveStore(at, url);
      const error = await put(at.store, 'town/a', 'x').catch((e: unknown) => e);
      expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
      expect((error as Error).message).toContain(at.path.url);
      expect(at.waits).toEqual([]);
    });
  });
});
