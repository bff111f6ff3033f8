/**
 * Finds the credentials of a Swift store: what the strategy names, then OS_CLOUD, then OS_* variables, then ST_*
 * variables. Reads files and variables; nothing here uses the network.
 */

import { dirname } from 'node:path';
import { HoldfastError } from '../../../errors.ts';
import type { SwiftStore } from '../../../strategy/strategy.ts';
import type { Credentials, Interface } from './credentials.ts';
import { given, holdsSecret, openstackVariables, swiftVariables, type Variables } from './environment.ts';
import { cloudInFile, cloudInUsualPlaces, type Folders } from './places.ts';
import { readNamed, refuseOpenFile, wrongFile } from './read.ts';
import { settle } from './settle.ts';
import { holdsVariables, parseVariables } from './variables-file.ts';
import { type Written, wrongCredentials } from './written.ts';

/** What surrounds the program where it looks for credentials. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  /** Absolute path of the current folder. */
  cwd: string;
  /** Absolute path of the user's home folder. */
  home: string;
  /** The strategy, to be named where it has to be changed. */
  strategyFile?: string;
}

/** The settings of a strategy that say how to sign in. */
export type Choice = Pick<
  SwiftStore,
  'cloud' | 'credentialsFile' | 'region' | 'interface' | 'caFile' | 'insecure'
>;

/**
 * The credentials, whole and checked, with what the strategy says (region, interface, certificates) put over what
 * stands with them. Throws HoldfastError `strategy`: none are there, half of them is missing, or a file is wrong.
 */
export async function findCredentials(store: Choice, surroundings: Surroundings): Promise<Credentials> {
  const written = await find(store, surroundings);
  const settled = { ...settle(written), ...settings(store, written), source: written.source };
  if (settled.how.kind === 'tempauth') refuseForTempAuth(store, settled, written);
  return settled;
}

async function find(store: Choice, surroundings: Surroundings): Promise<Written> {
  const { env, cwd } = surroundings;
  const environment: Variables = {
    values: env,
    source: 'the environment',
    folder: cwd,
    credentialsDirectory: env.CREDENTIALS_DIRECTORY || undefined,
  };
  if (store.credentialsFile !== undefined) {
    return await inFile(store.credentialsFile, store.cloud, environment, surroundings);
  }
  if (store.cloud !== undefined) return await cloudInUsualPlaces(store.cloud, environment, surroundings);
  return (await inVariables(environment, surroundings)) ?? nothing(surroundings);
}

/** What a set of variables says, or undefined when it says nothing of credentials. */
async function inVariables(variables: Variables, folders: Folders): Promise<Written | undefined> {
  const cloud = given(variables, 'OS_CLOUD');
  if (cloud !== undefined) return await cloudInUsualPlaces(cloud, variables, folders);
  return (await openstackVariables(variables)) ?? (await swiftVariables(variables));
}

/** What the file that a strategy names says: a clouds.yaml, or variables. */
async function inFile(
  file: string,
  cloud: string | undefined,
  environment: Variables,
  folders: Folders,
): Promise<Written> {
  const found = await readNamed(file, 'store.swift.credentialsFile');
  // Of the environment only systemd's folder counts here: the strategy has said where everything else stands.
  const none = { ...environment, values: {} };
  if (!holdsVariables(found.text)) return await cloudInFile(cloud, found, none, folders);
  if (cloud !== undefined) {
    throw wrongFile(
      file,
      'holds variables and no clouds: take store.swift.cloud out of the strategy, or name a clouds.yaml',
    );
  }
  const variables = { ...none, values: parseVariables(found), source: file, folder: dirname(file) };
  if (holdsSecret(variables)) refuseOpenFile(found);
  const written = await inVariables(variables, folders);
  if (written !== undefined) return written;
  throw wrongFile(
    file,
    'holds neither OS_CLOUD nor any credentials (OS_AUTH_URL … or ST_AUTH, ST_USER, ST_KEY)',
  );
}

function nothing({ strategyFile }: Surroundings): never {
  const strategy = strategyFile === undefined ? 'the strategy' : strategyFile;
  throw new HoldfastError(
    'strategy',
    `no credentials for the Swift store: name a cloud of clouds.yaml (store.swift.cloud in ${strategy}, or OS_CLOUD), or set OS_AUTH_URL with the other OS_* variables, or set ST_AUTH, ST_USER and ST_KEY`,
    { ...(strategyFile !== undefined && { path: strategyFile }) },
  );
}

function settings(
  store: Choice,
  written: Written,
): Pick<Credentials, 'region' | 'interface' | 'caFile' | 'insecure'> {
  const region = store.region ?? written.region;
  const caFile = store.caFile ?? written.caFile;
  // Who names certificates in the strategy wants them checked, whatever stands with the credentials.
  const otherwise = store.caFile === undefined && written.insecure === true;
  return {
    ...(region !== undefined && { region }),
    interface: store.interface ?? interfaceOf(written) ?? 'public',
    ...(caFile !== undefined && { caFile }),
    insecure: store.insecure ?? otherwise,
  };
}

function interfaceOf(written: Written): Interface | undefined {
  if (written.interface === undefined) return undefined;
  const [, name] = /^(public|internal|admin)(URL)?$/.exec(written.interface) ?? [];
  if (name !== undefined) return name as Interface;
  throw wrongCredentials(
    written.source,
    `${written.nameOf('interface')} must be public, internal or admin (publicURL, internalURL, adminURL)`,
  );
}

/** TempAuth has one endpoint: a choice among several would be passed over in silence. */
function refuseForTempAuth(
  store: Choice,
  settled: { region?: string; interface: Interface },
  written: Written,
): void {
  if (settled.region !== undefined) {
    const where =
      store.region === undefined ? written.nameOf('region') : 'store.swift.region of the strategy';
    throw wrongCredentials(
      written.source,
      `TempAuth knows no regions: take ${where} out, or sign in through Keystone`,
    );
  }
  if (settled.interface !== 'public') {
    const where =
      store.interface === undefined ? written.nameOf('interface') : 'store.swift.interface of the strategy';
    throw wrongCredentials(
      written.source,
      `TempAuth has no ${settled.interface} endpoint: take ${where} out`,
    );
  }
}
