/** What only root can set up: work done with another user's rights, and file systems mounted. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import process from 'node:process';
import { onTestFinished } from 'vitest';

/** A user that owns nothing, on any Linux. */
export const NOBODY = 65534;

/** Fails, and says why, where the tests do not run as root: without it they would prove nothing. */
function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new Error('this test needs root: it works with the rights of another user, or mounts a file system');
}

/** Runs `work` with the rights of a user that is not root and owns nothing. */
export async function asNobody<T>(work: () => T | Promise<T>): Promise<T> {
  requireRoot();
  process.setegid?.(NOBODY);
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Mounts a new, empty file system in memory at `folder`, which is made where it is not there, until the test has ended. */
export function mountTmpfs(folder: string, options = 'size=16m'): void {
  requireRoot();
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', folder]);
  onTestFinished(async () => {
    unmount(folder);
    await rm(folder, { recursive: true, force: true });
  });
}

/** Unmounts it; once more does no harm. */
export function unmount(folder: string): void {
  try {
    execFileSync('umount', [folder], { stdio: 'ignore' });
  } catch {
    // Not mounted any more.
  }
}
