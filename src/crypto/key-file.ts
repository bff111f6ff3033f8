/** Reads the OpenPGP keys of a file, armored or binary, as `gpg --export` writes them; judges none of them. */
import { type FileHandle, open } from 'node:fs/promises';
import * as openpgp from 'openpgp';
import { HoldfastError, systemCode } from '../errors.ts';

/** What a key file is meant to hold. */
export type KeyKind = 'public' | 'secret';

/** Largest key file that is read, in bytes: keys with photographs and many certifications stay far below. */
const LARGEST = 4 * 1024 * 1024;

const HOW_TO_EXPORT: Record<KeyKind, string> = {
  public: 'export the public key into it with gpg --armor --output FILE --export KEY-ID',
  secret: 'export the secret key into it with gpg --armor --output FILE --export-secret-keys KEY-ID',
};

/** Reads a key file whole. Errors: `key`, when it is missing, unreadable or too large. */
export async function readKeyFile(file: string, kind: KeyKind): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    return await readBounded(handle, file, kind);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const next =
      systemCode(error) === 'ENOENT'
        ? `there is no such file: correct its name, or ${HOW_TO_EXPORT[kind]}`
        : `cannot be read (${systemCode(error) ?? 'error'}): make it a file that this user may read`;
    throw new HoldfastError('key', `${file}: ${next}`, { path: file, cause: error });
  } finally {
    await handle?.close();
  }
}

/** A file may be a pipe, such as the shell's <(gpg --export …): so it is read to its end and never asked for its size. */
async function readBounded(handle: FileHandle, file: string, kind: KeyKind): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(65536), 0, 65536, null);
    if (bytesRead === 0) return Buffer.concat(parts, length);
    parts.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
    if (length > LARGEST) throw notAKey(file, kind, 'is too large for a key file');
  }
}

/**
 * All keys in the bytes of a key file, which may hold several armored blocks. `name` is how errors call the file.
 * Errors: `key`, when it is empty or holds anything but OpenPGP keys.
 */
export async function parseKeys(bytes: Uint8Array, name: string, kind: KeyKind): Promise<openpgp.Key[]> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (text.trim() === '') throw notAKey(name, kind, 'is empty');
  if (/^(\xff\xfe|\xfe\xff)/.test(text)) {
    throw notAKey(name, kind, 'was saved as UTF-16 (as PowerShell does with ">")');
  }
  const blocks = armoredBlocks(text);
  const keys: openpgp.Key[] = [];
  try {
    if (blocks.length === 0) keys.push(...(await openpgp.readKeys({ binaryKeys: bytes })));
    for (const block of blocks) {
      if (!block.type.endsWith('KEY BLOCK')) {
        throw notAKey(name, kind, `holds a "PGP ${block.type}", not an OpenPGP key`);
      }
      keys.push(...(await openpgp.readKeys({ armoredKeys: block.text })));
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw notAKey(name, kind, 'is not an OpenPGP key, or not a whole one', error);
  }
  return keys;
}

/** openpgp.js reads the first armored block of a text and passes over the others, so they are told apart here. */
function armoredBlocks(text: string): { type: string; text: string }[] {
  const starts = [...text.matchAll(/-----BEGIN PGP ([A-Z0-9 ,/]+)-----/g)];
  return starts.map((start, i) => ({
    type: start[1] ?? '',
    text: text.slice(start.index, starts[i + 1]?.index),
  }));
}

function notAKey(name: string, kind: KeyKind, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError('key', `${name} ${problem}: ${HOW_TO_EXPORT[kind]}`, { path: name, cause });
}

/** The fingerprint of a primary key, as Holdfast writes it everywhere: upper-case hex. */
export function fingerprintOf(key: openpgp.Key): string {
  return key.getFingerprint().toUpperCase();
}

/** A key's first user id on one printable line, for messages; the fingerprint when it has none. */
export function userIdOf(key: openpgp.Key): string {
  const userId = key.getUserIDs()[0] ?? '';
  return userId.replace(/[\x00-\x1f\x7f-\x9f]/g, '?').trim() || fingerprintOf(key);
}
