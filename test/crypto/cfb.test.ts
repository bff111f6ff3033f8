import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CFB_PIECE, CfbDecipher } from '../../src/crypto/cfb.ts';

const IV = Buffer.alloc(16);

function encrypt(bits: number, key: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${bits}-cfb`, key, IV);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/** Decrypts in pieces of these lengths, and the rest in one; each piece lies at an odd place in its memory. */
function decrypt(
  bits: number,
  key: Uint8Array,
  ciphertext: Uint8Array,
  lengths: readonly number[] = [],
): Buffer {
  const decipher = new CfbDecipher(bits, key);
  const out: Buffer[] = [];
  let at = 0;
  for (const length of [...lengths, ciphertext.length]) {
    const piece = ciphertext.subarray(at, at + length);
    const odd = Buffer.alloc(piece.length + 1).subarray(1);
    odd.set(piece);
    out.push(decipher.update(odd));
    at += piece.length;
  }
  return Buffer.concat([...out, decipher.final()]);
}

test.each([128, 192, 256])('what was encrypted with %i bits comes back, however it is cut', (bits) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 20 }),
      (plain, lengths) => {
        const key = randomBytes(bits / 8);
        expect(decrypt(bits, key, encrypt(bits, key, plain), lengths).equals(plain)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

test('pieces of the greatest size, with blocks that lie across them', () => {
  const key = randomBytes(32);
  const plain = randomBytes(3 * CFB_PIECE + 12_345);
  const ciphertext = encrypt(256, key, plain);
  for (const lengths of [
    [CFB_PIECE, CFB_PIECE, CFB_PIECE],
    [CFB_PIECE - 1, CFB_PIECE, CFB_PIECE],
    [15, CFB_PIECE, CFB_PIECE, CFB_PIECE],
  ]) {
    expect(decrypt(256, key, ciphertext, lengths).equals(plain)).toBe(true);
  }
});

test('an altered ciphertext gives what CFB gives for it', () => {
  const key = randomBytes(32);
  const ciphertext = encrypt(256, key, randomBytes(1000));
  ciphertext[500] = (ciphertext[500] as number) ^ 0xff;
  const expected = createDecipheriv('aes-256-cfb', key, IV).update(ciphertext);
  expect(decrypt(256, key, ciphertext, [333, 333]).equals(expected)).toBe(true);
});
