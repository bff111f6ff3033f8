/** Brings the packages of Debian that a benchmark needs, if this user may; says what it did, and what is missing. */
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { CommandFailed, type Runner } from './measure.ts';

/** A package, and the file or program that shows that it is there. */
export interface Needed {
  package: string;
  shownBy: string;
}

/** Installs what is missing, as root with apt-get. Never fails: what cannot be had is seen afterwards. */
export async function install(
  needed: readonly Needed[],
  runner: Runner,
  say: (line: string) => void,
): Promise<void> {
  const missing = needed.filter(({ shownBy }) => !isThere(shownBy)).map((one) => one.package);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    say(`Missing are ${missing.join(', ')}: only root on Debian can have them installed here.`);
    return;
  }
  say(`Installing with apt-get, as root: ${missing.join(', ')}`);
  const aptGet = (...words: string[]) =>
    runner.run({
      words: ['apt-get', '--quiet', '--option', 'DPkg::Lock::Timeout=300', ...words],
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    await aptGet('update');
    // One after the other: one that this system does not have must not keep the others away.
    for (const name of missing) {
      await aptGet('install', '--yes', '--no-install-recommends', name).catch((error) => {
        if (!(error instanceof CommandFailed)) throw error;
        say(`${name} could not be installed.`);
      });
    }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    say(`apt-get failed: ${error.message.slice(-300)}`);
  }
}

/** Whether a program is on PATH, or a file there. */
export function isThere(name: string): boolean {
  if (isAbsolute(name)) return existsSync(name);
  return SEARCHED.split(delimiter).some((folder) => existsSync(join(folder, name)));
}

/** The system's own programs before those that somebody has put before them. */
export const SEARCHED = `/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:${process.env.PATH ?? ''}`;
