/** Finds a folder for the demonstration to work in: a temporary one that it removes, or one that was named and stays. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Why the demonstration cannot run, in one line. */
export class Refused extends Error {}

/** A folder to work in. */
export interface WorkFolder {
  path: string;
  /** Whether it is to be there afterwards. */
  stays: boolean;
  /** Removes it, unless it stays. */
  end(): void;
}

/**
 * A new folder with room for `bytes`: `named`, which must not be there or be empty, or a temporary one, which goes in the end unless
 * `keep` is set. Throws Refused.
 */
export function workFolder(named: string | undefined, keep: boolean, bytes: number): WorkFolder {
  const path = named === undefined ? temporary(bytes) : prepare(resolve(named), bytes);
  const stays = named !== undefined || keep;
  return { path, stays, end: () => stays || rmSync(path, { recursive: true, force: true }) };
}

function temporary(bytes: number): string {
  const places = [...new Set([tmpdir(), '/var/tmp'])].filter((place) => existsSync(place));
  const place = places.find((candidate) => freeIn(candidate) >= bytes);
  if (place === undefined) {
    throw new Refused(
      `${places.join(' and ')} have less than ${mib(bytes)} free: name a folder elsewhere, with npm run demo -- FOLDER`,
    );
  }
  return realpathSync(mkdtempSync(join(place, 'holdfast-demo-')));
}

function prepare(folder: string, bytes: number): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (readdirSync(folder).length > 0) {
      throw new Refused(
        `${folder} is not empty: name a new folder to work in (to take the files from a folder of yours, write --files ${folder})`,
      );
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(`cannot work in ${folder} (${(error as Error).message}): name another folder`);
  }
  if (freeIn(folder) < bytes)
    throw new Refused(`${folder} has less than ${mib(bytes)} free: name a folder elsewhere`);
  return realpathSync(folder);
}

function freeIn(folder: string): number {
  const { bavail, bsize } = statfsSync(existsSync(folder) ? folder : dirname(folder));
  return bavail * bsize;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / (1 << 20))} MiB`;
}
