/** Owner, mode, extended attributes and time of what was made in the target: set so that no link can lead elsewhere. */
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  openSync,
  type Stats,
  utimesSync,
} from 'node:fs';
import { systemCode } from '../errors.ts';
import { toFsPath } from '../format/bytes.ts';
import { setTime, type Timespec } from '../linux/times.ts';
import {
  type Followed,
  getAttribute,
  hasAttributes,
  listAttributes,
  removeAttribute,
  setAttribute,
} from '../linux/xattrs.ts';
import type { ByteString, ExtendedAttribute } from '../model.ts';
import { O_PATH, openedPath, setMode } from './opened.ts';
import { isWholeMicrosecond, timeArgument, toSeconds } from './times.ts';

/** What is set on an entry. */
export interface Attributes {
  /** Permission bits with set-uid, set-gid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Modification time. */
  time: Timespec;
  /** In ascending order of their names. */
  xattrs: readonly ExtendedAttribute[];
}

/** What could not be set: a sum of these. */
export const NotSet = { owner: 1, mode: 2, time: 4, xattrs: 8, acl: 16, capabilities: 32 } as const;

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const CAPABILITIES = 'security.capability';
const ACL = 'system.posix_acl_';

/** Something that must not be opened for reading or writing, opened with O_PATH: whatever becomes of its name, this is what is meant. */
interface Node extends Followed {
  fd: number;
}

/** An open file or folder, or a node; or, on a machine without /proc, the place of a node: of a symlink, itself is meant. */
type Thing = number | Node | ByteString;

/**
 * Sets everything on an open file or folder; returns what could not be set, 0 when nothing failed. Without `owner` the owner stays as
 * it is. A program of another owner does not stay set-uid when it gets a new one.
 */
export function setAttributes(fd: number, attributes: Attributes, owner: boolean): number {
  return setAll(fd, attributes, owner, (mode) => fchmodSync(fd, mode));
}

/** As setAttributes, for a named pipe, socket or device that was just made at a place. Errors: EEXIST, for something else in its place. */
export function setNodeAttributes(place: ByteString, attributes: Attributes, owner: boolean): number {
  const isNode = (status: Stats) => !(status.isFile() || status.isDirectory() || status.isSymbolicLink());
  return withNode(place, isNode, (node) => {
    const chmod = (mode: number) =>
      typeof node === 'string' ? setMode(node, mode) : chmodSync(node.followed, mode);
    return setAll(node, attributes, owner, chmod);
  });
}

/** As setAttributes, for a symlink that was just made at a place: it has no mode of its own. Errors: as setNodeAttributes(). */
export function setLinkAttributes(place: ByteString, attributes: Attributes, owner: boolean): number {
  const isLink = (status: Stats) => status.isSymbolicLink();
  return withNode(place, isLink, (node) => setAll(node, attributes, owner, undefined));
}

/** Opens what is at a place. Who can write in its folder may have put something else there: another's file must not get an owner or a mode. */
function withNode<T>(
  place: ByteString,
  isExpected: (status: Stats) => boolean,
  work: (node: Node | ByteString) => T,
): T {
  const fd = openSync(toFsPath(place), O_PATH | constants.O_NOFOLLOW);
  try {
    const status = fstatSync(fd);
    if (!isExpected(status) || status.nlink > 1)
      throw Object.assign(new Error('EEXIST: something else is in its place'), { code: 'EEXIST' });
    const followed = openedPath(fd);
    return work(lstatSync(followed, { throwIfNoEntry: false }) === undefined ? place : { fd, followed });
  } finally {
    closeSync(fd);
  }
}

/**
 * The order matters. A new owner clears set-uid, set-gid and capabilities, so it comes first. Whoever is not root can set `user.` attributes only
 * while the mode lets him write. An ACL holds part of the mode. Nothing after the time changes it.
 */
function setAll(
  thing: Thing,
  attributes: Attributes,
  owner: boolean,
  chmod: ((mode: number) => void) | undefined,
): number {
  let failed = 0;
  let { mode } = attributes;
  const before = findAttributes(thing);
  if (owner && !succeeds(() => setOwner(thing, attributes))) failed |= NotSet.owner;
  if ((mode & (SET_UID | SET_GID)) !== 0 && (!owner || failed !== 0)) {
    const { uid, gid } = statusOf(thing);
    if (Number(uid) !== attributes.uid) mode &= ~SET_UID;
    if (Number(gid) !== attributes.gid) mode &= ~SET_GID;
  }
  const early = attributes.xattrs.filter(({ name }) => !belongsToMode(name));
  const late = attributes.xattrs.filter(({ name }) => belongsToMode(name));
  failed |= removeOthers(thing, before, attributes.xattrs);
  for (const xattr of early) failed |= setXattr(thing, xattr);
  if (chmod !== undefined && !succeeds(() => chmod(mode))) failed |= NotSet.mode;
  for (const xattr of late) failed |= setXattr(thing, xattr);
  if (!setModificationTime(thing, attributes.time)) failed |= NotSet.time;
  return failed;
}

function belongsToMode(name: ByteString): boolean {
  return name.startsWith('system.') || name.startsWith('security.');
}

function setOwner(thing: Thing, { uid, gid }: Attributes): void {
  if (typeof thing === 'number') fchownSync(thing, uid, gid);
  else if (typeof thing === 'string') lchownSync(toFsPath(thing), uid, gid);
  else chownSync(thing.followed, uid, gid);
}

function statusOf(thing: Thing): BigIntStats {
  if (typeof thing === 'string') return lstatSync(toFsPath(thing), { bigint: true });
  return fstatSync(typeof thing === 'number' ? thing : thing.fd, { bigint: true });
}

/** What is there already: an ACL that came of the folder above, or what a folder had that was there before. */
function findAttributes(thing: Thing): ByteString[] {
  if (!hasAttributes()) return [];
  try {
    return listAttributes(thing);
  } catch {
    return [];
  }
}

/** Removes what the point does not have. Labels that the system itself gives (`security.`) stay. */
function removeOthers(
  thing: Thing,
  before: readonly ByteString[],
  wanted: readonly ExtendedAttribute[],
): number {
  let failed = 0;
  for (const name of before) {
    if (wanted.some((xattr) => xattr.name === name)) continue;
    if (name.startsWith('security.') && name !== CAPABILITIES) continue;
    const gone = succeeds(() => {
      try {
        removeAttribute(thing, name);
      } catch (error) {
        if (systemCode(error) !== 'ENODATA') throw error;
      }
    });
    if (!gone) failed |= bitOf(name);
  }
  return failed;
}

function setXattr(thing: Thing, { name, value }: ExtendedAttribute): number {
  const isSet = succeeds(() => {
    try {
      setAttribute(thing, name, value);
    } catch (error) {
      // A resumed restore may not write any more what an earlier run has set.
      if (getAttribute(thing, name)?.equals(value) !== true) throw error;
    }
  });
  return isSet ? 0 : bitOf(name);
}

function bitOf(name: ByteString): number {
  if (name === CAPABILITIES) return NotSet.capabilities;
  return name.startsWith(ACL) ? NotSet.acl : NotSet.xattrs;
}

/** Seconds outside of these are more than many file systems hold; they then keep the nearest time without a word. */
const LEAST_SECONDS = -(2 ** 31);
const MOST_SECONDS = 2 ** 31;

function setModificationTime(thing: Thing, time: Timespec): boolean {
  return succeeds(() => {
    if (!setTime(thing, time)) {
      const seconds = timeArgument(toSeconds(time));
      if (typeof thing === 'number') futimesSync(thing, seconds, seconds);
      else if (typeof thing === 'string') lutimesSync(toFsPath(thing), seconds, seconds);
      else utimesSync(thing.followed, seconds, seconds);
      if (!isWholeMicrosecond(time)) throw new Error('no nanoseconds here');
    }
    if (time.seconds > LEAST_SECONDS && time.seconds < MOST_SECONDS) return;
    if (statusOf(thing).mtimeNs !== BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds))
      throw new Error('the file system cannot hold this time');
  });
}

/** What was not set, in words. */
export function describeNotSet(failed: number): string {
  const words: string[] = [];
  if ((failed & NotSet.owner) !== 0) words.push('owner');
  if ((failed & NotSet.mode) !== 0) words.push('mode');
  if ((failed & NotSet.acl) !== 0) words.push('ACL');
  if ((failed & NotSet.capabilities) !== 0) words.push('capabilities');
  if ((failed & NotSet.xattrs) !== 0) words.push('extended attributes');
  if ((failed & NotSet.time) !== 0) words.push('modification time');
  return `${words.join(' and ')} could not be set`;
}

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
