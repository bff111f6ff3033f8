import { createHash } from 'node:crypto';
import { extract } from 'tar-stream';
import { expect, test } from 'vitest';
import { memberSize, writeChunkHeader } from '../../src/tar/chunk-header.ts';
import { encodeHeader, FLAG } from '../../src/tar/header.ts';

const SIZES = [1, 7, 8, 511, 512, 513, 4096, 262_144, 2_097_152, 16_777_216, 0o77777777777];

test.each(SIZES)('the header of a chunk of %i bytes is the one that any member of that kind has', (size) => {
  const name = createHash('sha256').update(`${size}`).digest('hex');
  const into = Buffer.alloc(512, 0xee);
  writeChunkHeader(into, name, size);
  const common = { flag: FLAG.file, mode: 0o600, uid: 0, gid: 0, mtimeNs: 0n };
  expect(into.equals(encodeHeader({ path: name, size, ...common }))).toBe(true);
});

test('tar-stream reads it', async () => {
  const name = 'ab'.repeat(32);
  const member = Buffer.alloc(memberSize(700));
  writeChunkHeader(member, name, 700);
  const headers: unknown[] = [];
  const archive = extract();
  archive.on('entry', (header, stream, next) => {
    headers.push(header);
    stream.on('end', next).resume();
  });
  const ended = new Promise((resolve) => archive.once('finish', () => resolve(undefined)));
  archive.end(Buffer.concat([member, Buffer.alloc(1024)]));
  await ended;
  expect(headers).toMatchObject([
    { name, size: 700, mode: 0o600, uid: 0, gid: 0, mtime: new Date(0), type: 'file' },
  ]);
});
