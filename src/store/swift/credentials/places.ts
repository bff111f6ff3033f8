/** Where clouds.yaml and secure.yaml are looked for: as openstacksdk does it, and in systemd's folder of credentials. */

import { dirname, join, resolve } from 'node:path';
import { HoldfastError } from '../../../errors.ts';
import { cloudOf } from './clouds.ts';
import { given, type Variables } from './environment.ts';
import { type FileText, readIfThere, readNamed } from './read.ts';
import type { Written } from './written.ts';

/** Folders of the machine and the user. All absolute. */
export interface Folders {
  cwd: string;
  home: string;
}

const ENDINGS = ['.yaml', '.yml', '.json'];

/**
 * The cloud of that name in the clouds.yaml that is found first. Other ones are not looked into, as openstacksdk does
 * not. Throws HoldfastError `strategy`.
 */
export async function cloudInUsualPlaces(
  name: string,
  variables: Variables,
  folders: Folders,
): Promise<Written> {
  const named = given(variables, 'OS_CLIENT_CONFIG_FILE');
  const places = usualPlaces('clouds', variables, folders);
  const found =
    named === undefined
      ? await firstOf(places)
      : await readNamed(resolve(variables.folder, named), 'OS_CLIENT_CONFIG_FILE');
  if (found === undefined) {
    const looked = places.filter((place) => place.endsWith('.yaml')).join(', ');
    throw new HoldfastError(
      'strategy',
      `cloud ${JSON.stringify(name)} is asked for, but there is no clouds.yaml (looked for ${looked}): make one, or name it with OS_CLIENT_CONFIG_FILE or store.swift.credentialsFile`,
    );
  }
  const secure =
    (await namedSecure(variables)) ??
    (await beside(found)) ??
    (await firstOf(usualPlaces('secure', variables, folders)));
  return cloudOf(name, found, secure, folders.home);
}

/** The cloud of that name, or the only one, in a clouds.yaml that the strategy names. */
export async function cloudInFile(
  name: string | undefined,
  found: FileText,
  variables: Variables,
  folders: Folders,
): Promise<Written> {
  return cloudOf(name, found, (await namedSecure(variables)) ?? (await beside(found)), folders.home);
}

async function namedSecure(variables: Variables): Promise<FileText | undefined> {
  const named = given(variables, 'OS_CLIENT_SECURE_FILE');
  if (named === undefined) return undefined;
  return await readNamed(resolve(variables.folder, named), 'OS_CLIENT_SECURE_FILE');
}

async function beside({ file }: FileText): Promise<FileText | undefined> {
  return await firstOf(ENDINGS.map((ending) => join(dirname(file), `secure${ending}`)));
}

function usualPlaces(stem: 'clouds' | 'secure', variables: Variables, { cwd, home }: Folders): string[] {
  const settings = given(variables, 'XDG_CONFIG_HOME');
  const places = [
    variables.credentialsDirectory,
    cwd,
    ...(settings === undefined ? [] : [join(settings, 'openstack')]),
    join(home, '.config', 'openstack'),
    '/etc/openstack',
  ];
  return [...new Set(places)]
    .filter((place) => place !== undefined)
    .flatMap((place) => ENDINGS.map((ending) => join(place, `${stem}${ending}`)));
}

async function firstOf(files: readonly string[]): Promise<FileText | undefined> {
  for (const file of files) {
    const found = await readIfThere(file);
    if (found !== undefined) return found;
  }
  return undefined;
}
