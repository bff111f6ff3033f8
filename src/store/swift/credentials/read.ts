/** Reads the small text files in which credentials stand: bounded, UTF-8, and none with secrets that everybody can read. */

import { open } from 'node:fs/promises';
import { HoldfastError, systemCode } from '../../../errors.ts';

/** No file with credentials is larger than this. */
const MOST_BYTES = 1024 * 1024;

/** A file that was read. */
export interface FileText {
  file: string;
  text: string;
  /** Users that are neither owner nor of the group can read it. */
  forEverybody: boolean;
}

/** The error for a file: its message names the file and is one line. No cause is kept that could quote the text. */
export function wrongFile(file: string, message: string, cause?: unknown): HoldfastError {
  return new HoldfastError('strategy', `${file}: ${message}`, { path: file, cause });
}

/** The text of a file, or undefined when it is not there. Throws HoldfastError `strategy` when it cannot be read. */
export async function readIfThere(file: string): Promise<FileText | undefined> {
  const buffer = Buffer.allocUnsafe(MOST_BYTES + 1);
  let length = 0;
  let mode: number;
  try {
    const handle = await open(file, 'r');
    try {
      ({ mode } = await handle.stat());
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw wrongFile(file, reason(code), cause);
  }
  if (length > MOST_BYTES) throw wrongFile(file, 'is larger than 1 MiB: this is no file with credentials');
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length));
    return { file, text, forEverybody: (mode & 0o004) !== 0 };
  } catch {
    throw wrongFile(file, 'is not UTF-8 text; save it as UTF-8');
  }
}

/** As readIfThere, for a file that must be there; `named` says who names it. */
export async function readNamed(file: string, named: string): Promise<FileText> {
  const found = await readIfThere(file);
  if (found === undefined) {
    throw wrongFile(file, `there is no such file, but ${named} names it; put it there, or correct the name`);
  }
  return found;
}

/** Throws HoldfastError `strategy` for a file, known to hold secrets, that everybody can read. */
export function refuseOpenFile({ file, forEverybody }: FileText): void {
  if (!forEverybody) return;
  throw wrongFile(
    file,
    'holds a secret and can be read by every user of this machine; take that right away (chmod 600)',
  );
}

/** The secret in a file: its first line, without the line end. `named` says who names the file. */
export async function readSecret(file: string, named: string): Promise<string> {
  return secretOf(await readNamed(file, named));
}

/** As readSecret; undefined when the file is not there. */
export async function readSecretIfThere(file: string): Promise<string | undefined> {
  const found = await readIfThere(file);
  return found === undefined ? undefined : secretOf(found);
}

function secretOf(found: FileText): string {
  refuseOpenFile(found);
  const [line = ''] = found.text.split('\n', 1);
  const secret = line.replace(/\r$/, '');
  if (secret === '') throw wrongFile(found.file, 'is empty in its first line, where the secret should stand');
  return secret;
}

function reason(code: string | undefined): string {
  switch (code) {
    case 'EISDIR':
      return 'is a folder; name the file in it';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user; check owner and mode of the file and of the folders above it';
    default:
      return `cannot be read (${code ?? 'unknown reason'})`;
  }
}
