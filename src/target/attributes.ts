/** Owner, mode and time of what was made in the target: set on open files, so that no link can lead elsewhere. */
import { fchmodSync, fchownSync, fstatSync, futimesSync, lchownSync, lutimesSync } from 'node:fs';
import { timeArgument } from './times.ts';

/** What is set on an entry. */
export interface Attributes {
  /** Permission bits with set-uid, set-gid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Modification time as toSeconds() gives it. */
  time: number;
}

/** What could not be set: a sum of these. */
export const NotSet = { owner: 1, mode: 2, time: 4 } as const;

const SET_UID = 0o4000;
const SET_GID = 0o2000;

/**
 * Sets everything on an open file or folder; returns what could not be set, 0 when nothing failed. Without `owner` the owner stays as
 * it is. A program of another owner does not stay set-uid when it gets a new one.
 */
export function setAttributes(fd: number, attributes: Attributes, owner: boolean): number {
  let failed = 0;
  let { mode } = attributes;
  if (owner && !succeeds(() => fchownSync(fd, attributes.uid, attributes.gid))) failed |= NotSet.owner;
  if ((mode & (SET_UID | SET_GID)) !== 0 && (!owner || failed !== 0)) {
    const { uid, gid } = fstatSync(fd);
    if (uid !== attributes.uid) mode &= ~SET_UID;
    if (gid !== attributes.gid) mode &= ~SET_GID;
  }
  // After the owner: changing that clears set-uid and set-gid.
  if (!succeeds(() => fchmodSync(fd, mode))) failed |= NotSet.mode;
  const time = timeArgument(attributes.time);
  if (!succeeds(() => futimesSync(fd, time, time))) failed |= NotSet.time;
  return failed;
}

/** As setAttributes, for a symlink, which has no mode of its own. `path` must not lead through other links. */
export function setLinkAttributes(path: string | Buffer, attributes: Attributes, owner: boolean): number {
  let failed = 0;
  if (owner && !succeeds(() => lchownSync(path, attributes.uid, attributes.gid))) failed |= NotSet.owner;
  const time = timeArgument(attributes.time);
  if (!succeeds(() => lutimesSync(path, time, time))) failed |= NotSet.time;
  return failed;
}

/** What was not set, in words. */
export function describeNotSet(failed: number): string {
  const words: string[] = [];
  if ((failed & NotSet.owner) !== 0) words.push('owner');
  if ((failed & NotSet.mode) !== 0) words.push('mode');
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
