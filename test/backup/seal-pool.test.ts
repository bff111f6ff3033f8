import { setTimeout as sleep } from 'node:timers/promises';
import * as openpgp from 'openpgp';
import { beforeAll, expect, test } from 'vitest';
import { SealPool, type SealPoolOptions } from '../../src/backup/seal-pool.ts';
import { open, type ParsedSecretKey } from '../../src/crypto/open.ts';
import { noise } from '../chunk/noise.ts';
import { collect } from '../crypto/streams.ts';
import { makeKeys } from '../helpers/quick-store.ts';

const MIB = 1024 * 1024;

let recipient: Uint8Array;
let secret: ParsedSecretKey;

beforeAll(async () => {
  const keys = await makeKeys();
  secret = keys.secret;
  recipient = (await openpgp.readKey({ armoredKey: keys.publicArmored })).write();
});

function options(more: Partial<SealPoolOptions> = {}): SealPoolOptions {
  return { recipients: [recipient], now: new Date(Date.now() + 1000), width: 2, places: 64, ...more };
}

test.each([0, 50, 150, 300])(
  'a pool that is closed after %i ms ends its workers by itself',
  async (after) => {
    const pool = new SealPool(options({ recipients: Array(50).fill(recipient) }));
    const failures: Error[] = [];
    pool.onFailure = (error) => failures.push(error);
    for (const _ of [1, 2]) pool.open(() => {}).end();
    await sleep(after);
    // Resolves only when they have ended; terminating them in the middle of a key would abort this process.
    await pool.close();
    expect(failures).toEqual([]);
    expect(() => pool.open(() => {})).toThrow('after its end');
  },
);

test.each([1, 2])('objects whose pieces come in turn do not mix in %i workers', async (width) => {
  const pool = new SealPool(options({ width }));
  const contents = [0, 1, 2].map((i) => noise(3 * MIB + 1000 * i, `object ${i}`));
  const sealings = contents.map(() => pool.open(() => {}));
  for (let at = 0; at < 4 * MIB; at += 100_000) {
    for (const [i, sealing] of sealings.entries()) {
      const piece = contents[i]?.subarray(at, at + 100_000) as Buffer;
      if (piece.length > 0) sealing.write(piece, 0);
    }
  }
  const objects = await Promise.all(sealings.map((sealing) => sealing.end()));
  for (const [i, { pieces, size }] of objects.entries()) {
    const sealed = Buffer.concat(pieces);
    expect(sealed.length).toBe(size);
    expect((await collect(open(sealed, secret))).equals(contents[i] as Buffer)).toBe(true);
  }
  await pool.close();
});

test('what is sealed and not stored yet is bounded, and all comes through none the less', async () => {
  const pool = new SealPool(options({ width: 1, places: 8 }));
  const content = noise(5 * MIB, 'bounded');
  let taken = 0;
  const seal = () => {
    const sealing = pool.open(() => taken++);
    for (let at = 0; at < content.length; at += MIB) sealing.write(content.subarray(at, at + MIB), 0);
    return { sealed: sealing.end(), release: sealing.release };
  };
  const first = seal();
  await first.sealed;
  const second = seal();
  await sleep(200);
  // Six places are the first one's: two are left for the second.
  expect(taken).toBeLessThan(8);
  first.release();
  expect((await collect(open(Buffer.concat((await second.sealed).pieces), secret))).equals(content)).toBe(
    true,
  );
  expect(taken).toBe(10);
  await pool.close();
});

test('an object that needs more places than there are gets them when nothing else can give any', async () => {
  const pool = new SealPool(options({ width: 1, places: 2 }));
  const content = noise(5 * MIB, 'alone');
  const sealing = pool.open(() => {});
  sealing.write(content, 0);
  const { pieces } = await sealing.end();
  expect((await collect(open(Buffer.concat(pieces), secret))).equals(content)).toBe(true);
  await pool.close();
});

test('a recipient whose key is not valid yet is named before anything is sealed', async () => {
  const pool = new SealPool(options({ now: new Date(0) }));
  const failed = new Promise<Error>((resolve) => {
    pool.onFailure = resolve;
  });
  pool.open(() => {});
  expect(await failed).toMatchObject({ code: 'key' });
  await pool.close();
});
