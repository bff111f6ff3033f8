/** Extended attributes of one file, as they are: names and values are any bytes. Knows nothing of what they mean. */
import { constants } from 'node:os';
import { systemCode } from '../errors.ts';
import type { ByteString } from '../model.ts';
import { type Calls, calls, checked, toC } from './calls.ts';

/** A path that is followed to its end. Only for those in /proc of what was opened with O_PATH, which the calls on open files refuse. */
export interface Followed {
  followed: ByteString;
}

/** An open file or folder, or the path of anything, of which the last step is not followed where it is a symlink. */
export type Place = number | ByteString | Followed;

/** Does what is asked with that of three calls which suits the place. */
function on(
  at: Place,
  open: (fd: number) => number,
  path: (path: Buffer) => number,
  followed: (path: Buffer) => number,
): number {
  if (typeof at === 'number') return open(at);
  return typeof at === 'string' ? path(toC(at)) : followed(toC(at.followed));
}

/** Room for the names that most files have: the kernel allocates as much as it is offered. */
const LIST_COMMON = 512;
/** Limits of the kernel (linux/limits.h), in bytes: a list of names, and a value. */
const LIST_MAX = 65_536;
const VALUE_MAX = 65_536;

/** No attributes, or a file system without them. */
const NONE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** One buffer for all answers: calls come one after the other. */
const answer = Buffer.allocUnsafe(Math.max(LIST_MAX, VALUE_MAX));

/** Whether attributes can be had on this machine at all. */
export function hasAttributes(): boolean {
  return calls() !== undefined;
}

/** Names of the attributes that this process may see, in the order of their bytes. Errors are like Node's own. */
export function listAttributes(at: Place): ByteString[] {
  const c = required();
  const list = (size: number) =>
    on(
      at,
      (fd) => c.flistxattr(fd, answer, size),
      (path) => c.llistxattr(path, answer, size),
      (path) => c.listxattr(path, answer, size),
    );
  let length: number;
  try {
    length = checkedList(list);
  } catch (error) {
    if (NONE.has(systemCode(error) ?? '')) return [];
    throw error;
  }
  if (length === 0) return [];
  return answer
    .toString('latin1', 0, length - 1)
    .split('\0')
    .sort();
}

/** Lists with little room first, and with all of it where that is not enough. */
function checkedList(list: (size: number) => number): number {
  const length = list(LIST_COMMON);
  const isTooLong = length < 0 && required().errno() === constants.errno.ERANGE;
  return checked(isTooLong ? list(LIST_MAX) : length, 'listxattr');
}

/** The value of an attribute; undefined where there is none of that name (any more). */
export function getAttribute(at: Place, name: ByteString): Buffer | undefined {
  const c = required();
  const key = toC(name);
  const result = on(
    at,
    (fd) => c.fgetxattr(fd, key, answer, VALUE_MAX),
    (path) => c.lgetxattr(path, key, answer, VALUE_MAX),
    (path) => c.getxattr(path, key, answer, VALUE_MAX),
  );
  try {
    return Buffer.from(answer.subarray(0, checked(result, 'getxattr')));
  } catch (error) {
    if (systemCode(error) === 'ENODATA') return undefined;
    throw error;
  }
}

/** Sets an attribute, whether or not there is one of that name. */
export function setAttribute(at: Place, name: ByteString, value: Uint8Array): void {
  const c = required();
  const key = toC(name);
  const result = on(
    at,
    (fd) => c.fsetxattr(fd, key, value, value.length, 0),
    (path) => c.lsetxattr(path, key, value, value.length, 0),
    (path) => c.setxattr(path, key, value, value.length, 0),
  );
  checked(result, 'setxattr');
}

/** Removes an attribute. */
export function removeAttribute(at: Place, name: ByteString): void {
  const c = required();
  const key = toC(name);
  const result = on(
    at,
    (fd) => c.fremovexattr(fd, key),
    (path) => c.lremovexattr(path, key),
    (path) => c.removexattr(path, key),
  );
  checked(result, 'removexattr');
}

function required(): Calls {
  const found = calls();
  if (found === undefined) {
    throw Object.assign(new Error('ENOSYS: extended attributes need a native part'), { code: 'ENOSYS' });
  }
  return found;
}
