/** Makes a ghost in a real Swift: an object whose bytes are gone from the object server, while the container goes on listing it. */
import { execFileSync } from 'node:child_process';
import type { SwiftAddress } from './swift.ts';
import { DEVICE } from './swift-config.ts';

/** Swift's own library knows where an object lies. */
const LOSE = `
import glob, shutil, sys
from swift.common import utils
folder, device, account, container, name = sys.argv[1:]
utils.set_swift_dir(folder)
hashed = utils.hash_path(account, container, name)
(place,) = glob.glob(f'{folder}/devices/{device}/objects*/*/*/{hashed}')
shutil.rmtree(place)
`;

/** Throws where there is no such object. `name` is its full name in the container; the account is that of `user`, in TempAuth. */
export function loseObject(
  { folder, user }: Pick<SwiftAddress, 'folder' | 'user'>,
  container: string,
  name: string,
): void {
  const account = `AUTH_${user.split(':')[0]}`;
  execFileSync('/usr/bin/python3', ['-c', LOSE, folder, DEVICE, account, container, name]);
}
