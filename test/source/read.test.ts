import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  type BigIntStats,
  chmodSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sha256 } from '../../src/chunk/digest.ts';
import { fromText } from '../../src/format/bytes.ts';
import { type OpenFile, type ReadResult, readFile, type Taken } from '../../src/source/read.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { mapFile } from './mapped.ts';
import { asNobody, mountTmpfs } from './rights.ts';

interface Content extends Taken {
  bytes: Buffer;
}

/** Reads a file in pieces; `between` is called after each piece with how often the file was begun, and how many bytes are read. */
function read(
  path: string,
  between: (attempt: number, length: number) => void = () => {},
  keepAccessTime = true,
  seen?: BigIntStats,
): ReadResult<Content> {
  let attempt = 0;
  return readFile(
    fromText(path),
    keepAccessTime,
    (file: OpenFile, size: number) => {
      attempt++;
      const pieces: Buffer[] = [];
      let length = 0;
      while (length < size) {
        const piece = Buffer.alloc(Math.min(100_000, size - length));
        const n = file.read(piece);
        pieces.push(piece.subarray(0, n));
        length += n;
        between(attempt, length);
        if (n < piece.length) break;
      }
      const bytes = Buffer.concat(pieces);
      return { bytes, length, sha256: sha256(bytes) };
    },
    seen,
  );
}

async function newFile(content: Buffer | string): Promise<string> {
  const file = join(await temporaryFolder(), 'file');
  writeFileSync(file, content);
  return file;
}

const CONTENT = Buffer.from(Array.from({ length: 50_000 }, (_, i) => `line ${i}\n`).join(''));

/** What was read of a file that could be. */
function whole(result: ReadResult<Content>): { bytes: Buffer; size: bigint; torn: boolean } {
  if (result.kind !== 'read') throw new Error(`it was not read: ${JSON.stringify(result)}`);
  return { bytes: result.content.bytes, size: result.stat.size, torn: result.torn };
}

describe('reading a file', () => {
  test('gives its bytes, and what stat said of them', async () => {
    const file = await newFile(CONTENT);
    const { bytes, size, torn } = whole(read(file));
    expect(bytes.equals(CONTENT)).toBe(true);
    expect(size).toBe(BigInt(CONTENT.length));
    expect(torn).toBe(false);
    expect(whole(read(await newFile('')))).toEqual({ bytes: Buffer.alloc(0), size: 0n, torn: false });
  });

  test('that another process appends to gives the bytes of the first look, whole, at the first try', async () => {
    const file = await newFile(CONTENT);
    const attempts = new Set<number>();
    const result = read(file, (attempt) => {
      attempts.add(attempt);
      execFileSync('sh', ['-c', 'echo more >> "$0"', file]);
    });
    const { bytes, size, torn } = whole(result);
    expect(bytes.equals(CONTENT)).toBe(true);
    expect(size).toBe(BigInt(CONTENT.length));
    expect(torn).toBe(false);
    expect([...attempts]).toEqual([1]);
    expect(lstatSync(file).size).toBeGreaterThan(CONTENT.length);
  });

  test('that is rewritten once gives the new bytes', async () => {
    const file = await newFile(CONTENT);
    const other = Buffer.from(CONTENT).fill('x');
    const result = read(file, (attempt, length) => {
      if (attempt === 1 && length === 100_000) writeFileSync(file, other);
    });
    const { bytes, torn } = whole(result);
    expect(bytes.equals(other)).toBe(true);
    expect(torn).toBe(false);
  });

  test('that is overwritten at its front and appended to is not taken for one that only grew', async () => {
    const file = await newFile(CONTENT);
    const result = read(file, (attempt, length) => {
      if (attempt === 1 && length === 100_000)
        execFileSync('sh', ['-c', 'printf X | dd of="$0" conv=notrunc status=none; echo more >> "$0"', file]);
    });
    const { bytes, torn } = whole(result);
    expect(bytes[0]).toBe(0x58);
    expect(bytes.length).toBe(CONTENT.length + 5);
    expect(torn).toBe(false);
  });

  test('that is changed under an unchanged modification time is read again', async () => {
    const file = await newFile(CONTENT);
    const { atime, mtime } = lstatSync(file);
    const other = Buffer.from(CONTENT).fill('y');
    const result = read(file, (attempt, length) => {
      if (attempt > 1 || length > 100_000) return;
      writeFileSync(file, other);
      utimesSync(file, atime, mtime);
    });
    expect(whole(result).bytes.equals(other)).toBe(true);
  });

  test('that is rewritten again and again is read three times, and then torn', async () => {
    const file = await newFile(CONTENT);
    let last = 0;
    const result = read(file, (attempt, length) => {
      last = attempt;
      if (length === 100_000) writeFileSync(file, Buffer.from(CONTENT).fill(0x30 + attempt));
    });
    expect(last).toBe(3);
    const { bytes, torn } = whole(result);
    expect(torn).toBe(true);
    expect(bytes.length).toBe(CONTENT.length);
  });

  test('that shrinks is read again, and is as it is then', async () => {
    const file = await newFile(CONTENT);
    const result = read(file, (attempt, length) => {
      if (attempt === 1 && length === 100_000) truncateSync(file, 150_000);
    });
    const { bytes, size, torn } = whole(result);
    expect(bytes.equals(CONTENT.subarray(0, 150_000))).toBe(true);
    expect(size).toBe(150_000n);
    expect(torn).toBe(false);
  });

  test('that shrinks each time is torn, and no longer than what was read', async () => {
    const file = await newFile(CONTENT);
    const result = read(file, (attempt, length) => {
      if (length === 100_000) truncateSync(file, 250_000 - attempt * 40_000);
    });
    expect(whole(result).torn).toBe(true);
    expect(whole(result).bytes.length).toBe(130_000);
  });

  test('that is removed or replaced while it is open gives the bytes that it had', async () => {
    for (const replace of [false, true]) {
      const file = await newFile(CONTENT);
      const result = read(file, (_attempt, length) => {
        if (length !== 100_000) return;
        unlinkSync(file);
        if (replace) writeFileSync(file, 'another');
      });
      expect(whole(result).bytes.equals(CONTENT)).toBe(true);
      expect(whole(result).torn).toBe(false);
    }
  });

  test('lets errors of who takes the bytes pass', async () => {
    const file = await newFile(CONTENT);
    const refuse = () => {
      throw new RangeError('no thanks');
    };
    expect(() => readFile(fromText(file), true, refuse)).toThrow('no thanks');
  });

  test('that was seen before gives its bytes, and what was seen of it', async () => {
    const file = await newFile(CONTENT);
    const seen = lstatSync(file, { bigint: true });
    const { bytes, torn, size } = whole(read(file, () => {}, true, seen));
    expect({ torn, size }).toEqual({ torn: false, size: BigInt(CONTENT.length) });
    expect(bytes.equals(CONTENT)).toBe(true);
  });

  test('that has changed since it was seen is read anew, whatever it has become', async () => {
    const file = await newFile(CONTENT);
    const seen = lstatSync(file, { bigint: true });
    const longer = Buffer.concat([Buffer.alloc(10, 'z'), CONTENT]);
    writeFileSync(file, longer);
    expect(whole(read(file, () => {}, true, seen)).bytes.equals(longer)).toBe(true);

    // Another file, of the same size and time.
    const other = await newFile(Buffer.from(CONTENT).fill('o'));
    const { atime, mtime } = lstatSync(file);
    utimesSync(other, atime, mtime);
    renameSync(other, file);
    const { bytes, torn } = whole(read(file, () => {}, true, seen));
    expect({ torn, first: bytes[0], length: bytes.length }).toEqual({
      torn: false,
      first: 'o'.charCodeAt(0),
      length: CONTENT.length,
    });

    unlinkSync(file);
    expect(read(file, () => {}, true, seen)).toEqual({ kind: 'gone' });
    mkdirSync(file);
    expect(read(file, () => {}, true, seen)).toEqual({ kind: 'gone' });
    rmSync(file, { recursive: true });
    execFileSync('mkfifo', [file]);
    expect(read(file, () => {}, true, seen)).toEqual({ kind: 'gone' });
  });
});

describe('reading what was a file', () => {
  test('finds it gone when it has vanished, or its folder has, or that is no folder any more', async () => {
    const folder = await temporaryFolder();
    expect(read(join(folder, 'none'))).toEqual({ kind: 'gone' });
    expect(read(join(folder, 'none/none'))).toEqual({ kind: 'gone' });
    writeFileSync(join(folder, 'file'), '');
    expect(read(join(folder, 'file/none'))).toEqual({ kind: 'gone' });
  });

  test('finds it gone when it has become a link, a folder, a socket, and follows nothing', async () => {
    const folder = await temporaryFolder();
    writeFileSync(join(folder, 'secret'), 'secret');
    symlinkSync('secret', join(folder, 'link'));
    mkdirSync(join(folder, 'folder'));
    const server = createServer().listen(join(folder, 'socket'));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    for (const name of ['link', 'folder', 'socket']) {
      expect(read(join(folder, name)), name).toEqual({ kind: 'gone' });
    }
  });

  test('finds it gone when it has become a FIFO, and does not wait for a writer', async () => {
    const file = join(await temporaryFolder(), 'fifo');
    execFileSync('mkfifo', [file]);
    expect(read(file)).toEqual({ kind: 'gone' });
  });

  test('says with which error a file or its folder cannot be read', async () => {
    const folder = await temporaryFolder();
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'file'), 'x', { mode: 0o600 });
    mkdirSync(join(folder, 'closed'), { mode: 0o700 });
    writeFileSync(join(folder, 'closed/file'), 'x');
    for (const name of ['file', 'closed/file']) {
      expect(await asNobody(async () => read(join(folder, name)))).toEqual({
        kind: 'unreadable',
        error: 'EACCES',
      });
    }
  });

  test('says that a read failed in the middle, and does not take what came for the file', async () => {
    // The first page of a process is never mapped: reading it fails as a bad disk does.
    const result = readFile('/proc/self/mem', false, (file) => {
      const length = file.read(Buffer.alloc(100));
      return { length, sha256: '' };
    });
    expect(result).toEqual({ kind: 'unreadable', error: 'EIO' });
  });
});

describe('a large file that is stored into through a mapping', () => {
  /** Pages that were stored into stay writable without a word to the file system until they are written. */
  async function mapped() {
    const file = await newFile(Buffer.alloc(1 << 20, 'a'));
    const fill = await mapFile(file);
    fill('b');
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { file, fill };
  }

  test('while it is read is read again, and is whole', async () => {
    const { file, fill } = await mapped();
    const { bytes } = whole(read(file, (attempt) => attempt === 1 && fill('c')));
    expect(bytes.equals(Buffer.alloc(1 << 20, 'c'))).toBe(true);
  });

  test('all the time is marked as torn', async () => {
    const { file, fill } = await mapped();
    let times = 0;
    expect(read(file, () => fill(String(times++ % 10)))).toMatchObject({ kind: 'read', torn: true });
  });

  test('after it was read has other time stamps than it had then', async () => {
    const { file, fill } = await mapped();
    const result = read(file);
    if (result.kind !== 'read') throw new Error(result.kind);
    await new Promise((resolve) => setTimeout(resolve, 100));
    fill('c');
    expect(lstatSync(file, { bigint: true }).mtimeNs).toBeGreaterThan(result.stat.mtimeNs);
  });
});

describe('the access time of a file that is read', () => {
  test('stays, where that is asked for, and changes where it is not', async () => {
    const folder = join(await temporaryFolder(), 'mounted');
    mountTmpfs(folder, 'strictatime');
    const file = join(folder, 'file');
    writeFileSync(file, CONTENT);
    utimesSync(file, 1_000_000, 2_000_000);
    whole(read(file, () => {}, true));
    expect(lstatSync(file).atimeMs).toBe(1_000_000_000);
    whole(read(file, () => {}, false));
    expect(lstatSync(file).atimeMs).toBeGreaterThan(1_000_000_000);
  });

  test('is no reason not to read the file of another user, which does not allow that', async () => {
    const folder = await temporaryFolder();
    chmodSync(folder, 0o755);
    const file = join(folder, 'file');
    writeFileSync(file, 'for all', { mode: 0o644 });
    chmodSync(file, 0o644);
    const result = await asNobody(async () => read(file));
    expect(whole(result).bytes.toString()).toBe('for all');
    appendFileSync(file, '.');
    rmSync(file);
  });
});
