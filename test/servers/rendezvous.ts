/**
 * How tests learn of the servers that the run's main process starts while the first tests already run: by files in a folder, each of
 * which appears whole, once its server is up or has failed.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeystoneAddress } from './keystone-api.ts';
import type { SwiftAddress } from './swift.ts';

/** What is handed over under each name. */
export interface Addresses {
  swift: SwiftAddress;
  keystone: KeystoneAddress;
}

/** Tells in `folder` of the server, or of what it failed with. */
export async function announce<K extends keyof Addresses>(
  folder: string,
  name: K,
  server: Promise<Addresses[K]>,
): Promise<void> {
  const told = await server.then(
    (address) => ({ address }),
    (e) => ({ error: e instanceof Error ? e.message : String(e) }),
  );
  const file = join(folder, name);
  writeFileSync(`${file}.next`, JSON.stringify(told), { mode: 0o600 });
  renameSync(`${file}.next`, file);
}

/** Waits until the server is there; rejects with what it failed with. */
export async function meet<K extends keyof Addresses>(folder: string, name: K): Promise<Addresses[K]> {
  for (;;) {
    const told = read(join(folder, name));
    if (told !== undefined) {
      const { address, error } = JSON.parse(told) as { address?: Addresses[K]; error?: string };
      if (address === undefined) throw new Error(`the run's ${name} server did not start: ${error}`);
      return address;
    }
    await sleep(100);
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw e;
  }
}
