/** The steps by which written files survive a power cut. What a failure means is left to the caller: errors are Node's own. */
import { type FileHandle, open } from 'node:fs/promises';
import { systemCode } from './errors.ts';

/** Some network and FUSE file systems have no fsync for folders; they answer so, and keep names in their own way. */
const NO_FOLDER_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Makes the names in a folder durable: what was created, renamed or removed in it before this call. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!NO_FOLDER_SYNC.has(systemCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** Writes all of `bytes` at the file's current position: one write may take only a part. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, null);
    done += bytesWritten;
  }
}

/** Whether an error says that there is no room: a full disk or a used-up quota. */
export function isNoSpace(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
