/** A machine in a temporary folder, on which credentials are looked for. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Choice, findCredentials } from '../../../../src/store/swift/credentials/find.ts';
import { temporaryFolder } from '../../../helpers/temporary.ts';

/** What is there to be found. */
export interface Place {
  /** Contents by path, relative to a folder that holds `cwd` and `home`; `$ROOT` in them is that folder. */
  files?: Record<string, string>;
  /** Modes of files, 0o600 where none is given. */
  modes?: Record<string, number>;
  /** `$ROOT` in values is the folder. */
  env?: Record<string, string>;
  /** What the strategy says; `$ROOT` in its texts is the folder. */
  store?: Choice;
}

/** Looks for credentials in such a place. `root` is the folder, to be taken out of what comes. */
export async function look({ files = {}, modes = {}, env = {}, store = {} }: Place) {
  const root = await temporaryFolder();
  for (const folder of ['cwd', 'home']) await mkdir(join(root, folder));
  const placed = <T>(value: T): T => JSON.parse(JSON.stringify(value).replaceAll('$ROOT', root));
  for (const [name, text] of Object.entries(placed(files))) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
    await chmod(join(root, name), modes[name] ?? 0o600);
  }
  const surroundings = {
    env: placed(env),
    cwd: join(root, 'cwd'),
    home: join(root, 'home'),
    strategyFile: '/etc/holdfast/holdfast.yaml',
  };
  return { root, found: findCredentials(placed(store), surroundings) };
}

/** The credentials as plain data, with `$ROOT` for the folder. */
export async function found(place: Place): Promise<unknown> {
  const { root, found } = await look(place);
  const credentials = await found;
  return JSON.parse(
    JSON.stringify({ ...credentials, authUrl: credentials.authUrl.href }).replaceAll(root, '$ROOT'),
  );
}

/** The error with which looking ends: its code and its message, with `$ROOT` for the folder. */
export async function refused(place: Place): Promise<{ code: unknown; message: string }> {
  const { root, found } = await look(place);
  try {
    await found;
  } catch (error) {
    const { code, message } = error as Error & { code: unknown };
    return { code, message: message.replaceAll(root, '$ROOT') };
  }
  throw new Error('credentials were found where none should be');
}

/** Secrets in tests all hold this word, so that none can slip into a message unseen. */
export const SECRET = 'hunter2';

export const PASSWORD_SET = {
  OS_AUTH_URL: 'https://keystone.example.org:5000/v3',
  OS_USERNAME: 'backup',
  OS_PASSWORD: SECRET,
  OS_PROJECT_NAME: 'townhall',
};

export const TEMPAUTH_SET = {
  ST_AUTH: 'https://swift.example.org/auth/v1.0',
  ST_USER: 'townhall:backup',
  ST_KEY: SECRET,
};
