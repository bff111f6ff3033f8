/** Examines a directory store for `holdfast doctor`: the folder, its disk, and what may be done there. Changes nothing but a probe. */
import { type BigIntStats, type StatsFs, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { HoldfastError, systemCode } from '../errors.ts';
import { type Finding, type Findings, lookAt, skipped } from '../finding.ts';
import { readOwners } from '../linux/owners.ts';
import { formatBytes } from '../strategy/size.ts';
import type { DirectoryStore } from '../strategy/strategy.ts';
import { directoryStore } from './directory.ts';
import type { Examination } from './examination.ts';
import { probe } from './probe.ts';

/** File systems by their magic number (statfs(2), linux/magic.h), with what is to be said of them. */
const FILE_SYSTEMS: Record<
  number,
  { name: string; state?: Finding['state']; about?: string; advice?: string }
> = {
  61267: { name: 'ext4 or its kin' },
  1481003842: { name: 'XFS' },
  2435016766: { name: 'Btrfs' },
  801189825: { name: 'ZFS' },
  4076150800: { name: 'F2FS' },
  26985: { name: 'NFS' },
  4283649346: { name: 'CIFS' },
  4266872130: { name: 'SMB' },
  1702057286: { name: 'FUSE' },
  2035054128: {
    name: 'overlay',
    state: 'warning',
    about: 'that of a container: it goes with the container',
    advice: 'mount a volume there',
  },
  16914836: {
    name: 'tmpfs',
    state: 'warning',
    about: 'it lies in memory, and is gone after a restart',
    advice: 'take a folder on a disk',
  },
  19780: {
    name: 'FAT',
    state: 'warning',
    about: 'it keeps no owners and modes: everybody on this machine may be able to write there',
    advice: 'take a file system of Linux',
  },
  538032816: {
    name: 'exFAT',
    state: 'warning',
    about: 'it keeps no owners and modes: everybody on this machine may be able to write there',
    advice: 'take a file system of Linux',
  },
};

/** Below this part of the disk there is not much room. */
const LITTLE = 0.05;
const VOLUME = 32 * 1024 * 1024;

export async function* examineDirectory(choice: DirectoryStore, examination: Examination): Findings {
  const { directory } = choice;
  const { patience } = examination;
  const store = directoryStore(directory, choice.prefix);
  // It names what is wrong in the store's own words.
  const there = await lookAt(`store ${store.label}`, patience, store.check());
  if ('error' in there) {
    yield { subject: 'folder', state: 'bad', what: there.error.message };
    yield skipped('its disk, permissions', 'the folder cannot be used');
    return;
  }
  const looked = await lookAt(`store ${store.label}`, patience, seen(directory));
  if ('error' in looked) {
    yield { subject: 'folder', state: 'bad', what: looked.error.message };
  } else {
    const { folder, disk } = looked.value;
    yield* folderFindings(directory, folder);
    yield fileSystemFinding(disk);
    yield spaceFinding(disk, examination.volumeSize ?? VOLUME);
    yield* sameDiskFindings(directory, folder, examination.sources);
  }
  yield* probe({ ...examination, store, words: ({ message }) => message });
}

async function seen(directory: string): Promise<{ folder: BigIntStats; disk: StatsFs }> {
  try {
    return { folder: await stat(directory, { bigint: true }), disk: await statfs(directory) };
  } catch (cause) {
    const code = systemCode(cause);
    if (code === undefined) throw cause;
    const message = `${directory} cannot be looked at (${code}): check the disk and how it is mounted`;
    throw new HoldfastError('store', message, { path: directory, cause });
  }
}

/** Who may write in the folder can delete backups; who may read it sees names, sizes and times. */
function* folderFindings(directory: string, folder: BigIntStats): Generator<Finding> {
  const subject = 'folder';
  const mode = Number(folder.mode) & 0o7777;
  const [uid, gid] = [Number(folder.uid), Number(folder.gid)];
  const owners = readOwners();
  const owner = owners.user(uid) ?? `user ${uid}`;
  const group = owners.group(gid) ?? `group ${gid}`;
  const what = `${directory} belongs to ${owner}, mode ${mode.toString(8).padStart(4, '0')}`;
  if ((mode & 0o002) !== 0) {
    yield {
      subject,
      state: 'warning',
      what: `${what}: every user of this machine may put files there, and remove${(mode & 0o1000) === 0 ? '' : ' their own'}`,
      advice: `chmod o-w ${directory}`,
    };
  } else if ((mode & 0o020) !== 0) {
    yield {
      subject,
      state: 'note',
      what: `${what}: whoever is in ${group} may delete backups`,
      advice: 'see who is in that group',
    };
  } else if ((mode & 0o004) !== 0) {
    yield {
      subject,
      state: 'note',
      what: `${what}: only ${owner} may write; every user of this machine may list it, and see the names of strategies (contents are encrypted, and folders within are closed)`,
    };
  } else yield { subject, state: 'good', what: `${what}: only ${owner} may write` };
}

function fileSystemFinding({ type }: StatsFs): Finding {
  const subject = 'file system';
  const known = FILE_SYSTEMS[type];
  if (known === undefined) return { subject, state: 'good', what: `of type 0x${type.toString(16)}` };
  const { name, state = 'good', about, advice } = known;
  return {
    subject,
    state,
    what: about === undefined ? name : `${name}: ${about}`,
    ...(advice !== undefined && { advice }),
  };
}

function spaceFinding({ bavail, blocks, bsize, files, ffree }: StatsFs, volume: number): Finding {
  const subject = 'space';
  const [free, all] = [bavail * bsize, blocks * bsize];
  const names = files > 0 ? `, and room for ${ffree} more files` : '';
  const what = `${formatBytes(free)} of ${formatBytes(all)} are free for this user${names}`;
  const isFull = free < volume || (files > 0 && ffree < 100);
  const isLittle = free < all * LITTLE || (files > 0 && ffree < files * LITTLE);
  const state = isFull ? 'bad' : isLittle ? 'warning' : 'good';
  return {
    subject,
    state,
    what,
    ...(state !== 'good' && { advice: 'free some, or move the store to a larger disk, before backups fail' }),
  };
}

/** A backup on the disk of its source goes with it. */
function* sameDiskFindings(
  directory: string,
  folder: BigIntStats,
  sources: readonly string[],
): Generator<Finding> {
  const subject = 'disk';
  const devices = sources.map(deviceOf);
  const same = sources.filter((_, i) => devices[i] === folder.dev);
  if (same.length > 0) {
    const more = same.length > 3 ? ` and ${same.length - 3} more` : '';
    yield {
      subject,
      state: 'warning',
      what: `the store lies on the file system of what is backed up (${same.slice(0, 3).join(', ')}${more}): one broken disk takes both`,
      advice: 'is the disk of the store not mounted? Otherwise keep a copy elsewhere (docs/operations.md)',
    };
  } else if (devices.some((device) => device !== undefined)) {
    yield { subject, state: 'good', what: `${directory} is on another file system than what is backed up` };
  }
}

function deviceOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).dev;
  } catch {
    // What is missing is told elsewhere.
    return undefined;
  }
}
