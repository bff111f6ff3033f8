/** Makes named pipes, sockets and devices. */
import { constants } from 'node:fs';
import type { ByteString } from '../model.ts';
import { calls, checked, toC } from './calls.ts';
import { packDevice } from './device-number.ts';

export type NodeType = 'fifo' | 'socket' | 'char' | 'block';

const FORMATS: Record<NodeType, number> = {
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
  char: constants.S_IFCHR,
  block: constants.S_IFBLK,
};
/** The only version of __xmknod() that there is with 64 bits. */
const MKNOD_VERSION = 0;

/**
 * Makes a special file that its owner alone may use. `rdev` is what a device stands for: major and minor number. Errors are like
 * Node's own: EPERM for devices without privilege; ENOSYS where this machine cannot make any.
 */
export function makeNode(
  path: ByteString,
  type: NodeType,
  rdev: readonly [number, number] | undefined,
): void {
  const c = calls();
  const mode = FORMATS[type] | 0o600;
  const device = rdev === undefined ? 0n : toDevice(rdev);
  if (c?.mknod !== undefined) {
    checked(c.mknod(toC(path), mode, device), 'mknod');
  } else if (c?.__xmknod !== undefined) {
    checked(c.__xmknod(MKNOD_VERSION, toC(path), mode, BigUint64Array.of(device)), 'mknod');
  } else {
    throw Object.assign(new Error('ENOSYS: mknod'), { code: 'ENOSYS' });
  }
}

/** Numbers that no device has are an error, EINVAL. */
function toDevice([major, minor]: readonly [number, number]): bigint {
  if (major > 0xffffffff || minor > 0xffffffff) {
    throw Object.assign(new Error('EINVAL: no such device number'), { code: 'EINVAL' });
  }
  return packDevice(major, minor);
}
