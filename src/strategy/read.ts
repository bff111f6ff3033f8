/** Reads the text of a strategy file: bounded, UTF-8, with an error that says why it cannot be read. */

import { open } from 'node:fs/promises';
import { HoldfastError, systemCode } from '../errors.ts';
import { formatSize } from './size.ts';

/** No strategy is larger than this. */
const MOST_BYTES = 1024 * 1024;

/** The text of the file. Throws HoldfastError `strategy`. Pipes (`<(…)`) are read as well. */
export async function readStrategyText(file: string): Promise<string> {
  const bytes = await readBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HoldfastError('strategy', `${file}: is not UTF-8 text; save it as UTF-8`, {
      path: file,
      cause,
    });
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(MOST_BYTES + 1);
  let length = 0;
  try {
    const handle = await open(file, 'r');
    try {
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new HoldfastError('strategy', `${file}: ${reason(cause)}`, { path: file, cause });
  }
  if (length > MOST_BYTES) {
    throw new HoldfastError(
      'strategy',
      `${file}: is larger than ${formatSize(MOST_BYTES)}: this is no strategy file`,
      { path: file },
    );
  }
  return buffer.subarray(0, length);
}

function reason(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file; "holdfast config example" prints a strategy to start from';
    case 'EISDIR':
      return 'is a folder; name the strategy file in it';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user; check owner and mode of the file and of the folders above it';
    default:
      return `cannot be read (${systemCode(error) ?? 'unknown reason'})`;
  }
}
