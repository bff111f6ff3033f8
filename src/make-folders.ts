/** Makes a folder and those above it. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

/**
 * Makes the folder `path`, and those above it, where they are not there; returns the topmost one that it made, undefined where all were there. Errors are Node's own.
 *
 * Node's recursive mkdir never ends where the system says ENOENT although the folder above is there, as below /proc.
 */
export function makeFolders(path: string, mode = 0o777): string | undefined {
  const above = dirname(path);
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if (isFolder(path)) return undefined;
    if (systemCode(error) !== 'ENOENT' || above === path) throw error;
  }
  const made = makeFolders(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else may have been faster.
    if (!isFolder(path)) throw error;
  }
  return made ?? path;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
