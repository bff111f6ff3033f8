/** Temporary folders for the servers that tests run. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder that only this user can enter. */
export function serverFolder(parent: string = tmpdir()): string {
  return realpathSync(mkdtempSync(join(parent, 'holdfast-server-')));
}

/**
 * The same, on a file system that keeps extended attributes, without which Swift stores nothing: in the folder for temporary files, which
 * may be a tmpfs without them, or in /var/tmp.
 */
export function storageFolder(): string {
  const parents = [tmpdir(), '/var/tmp'];
  for (const parent of parents) {
    const folder = serverFolder(parent);
    const { status } = spawnSync('setfattr', ['-n', 'user.swift.metadata', '-v', 'x'.repeat(1024), folder]);
    if (status === 0) return folder;
    rmSync(folder, { recursive: true });
  }
  throw new Error(`Swift needs extended attributes, and neither ${parents.join(' nor ')} has them`);
}
