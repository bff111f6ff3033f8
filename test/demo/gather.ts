/** Copies real files of the machine into a folder, where they may be changed. Takes no more than it is told, and changes nothing elsewhere. */
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { byBytes, raw } from './snapshot.ts';

const MIB = 1 << 20;
/** More entries than these would make the copying longer than everything else. */
const MOST_ENTRIES = 25_000;

/** What was copied. */
export interface Gathered {
  entries: number;
  bytes: number;
  /** Folders that it came from. */
  from: string[];
}

/** A folder to copy from, and how much of it at most, in bytes. */
interface Origin {
  folder: string;
  most: number;
}

/**
 * Copies into `into` what there is of the machine's own libraries, documents and headers, and as much of `modules` (this program's
 * node_modules) as is needed to reach `goal` bytes; or, where `files` names a folder, files from there alone.
 */
export function gather(into: string, goal: number, modules: string, files?: string): Gathered {
  const system = ['/usr/include', '/usr/share', '/usr/lib'].map((folder) => ({ folder, most: goal / 4 }));
  const origins: Origin[] = files === undefined ? system : [{ folder: files, most: goal }];
  const copied: Gathered = { entries: 0, bytes: 0, from: [] };
  for (const origin of origins) copy(origin, into, copied);
  if (files === undefined) copy({ folder: modules, most: goal - copied.bytes }, into, copied);
  return copied;
}

/** Copies a folder to its place below `into`, until it has brought so many bytes. What cannot be read is passed over. */
function copy({ folder, most }: Origin, into: string, copied: Gathered): void {
  if (!existsSync(folder)) return;
  const end = copied.bytes + most;
  const isEnough = () => copied.bytes >= end || copied.entries >= MOST_ENTRIES;
  const visit = (from: string, to: string) => {
    const stat = lstatSync(raw(from));
    if (stat.isSymbolicLink()) symlinkSync(readlinkSync(raw(from), { encoding: 'buffer' }), raw(to));
    else if (stat.isFile()) {
      // One file must not take the room of all others, except where only one is wanted.
      if (copied.bytes + stat.size > end + 32 * MIB) return;
      copyFileSync(raw(from), raw(to), constants.COPYFILE_FICLONE);
      copied.bytes += stat.size;
    } else if (stat.isDirectory()) {
      mkdirSync(raw(to), { recursive: true });
      for (const name of list(from)) {
        if (isEnough()) break;
        attempt(() => visit(`${from}/${name}`, `${to}/${name}`));
      }
    } else return;
    copied.entries++;
    makeAlike(to, stat);
  };
  mkdirSync(`${into}${folder}`, { recursive: true });
  visit(byBytes(folder), byBytes(`${into}${folder}`));
  copied.from.push(folder);
}

function list(folder: string): string[] {
  return readdirSync(raw(folder), { encoding: 'latin1' }).sort();
}

/** Owner (where this user may set it), mode and time like the original's; but set-uid bits are not handed out. */
function makeAlike(path: string, stat: Stats): void {
  if (process.getuid?.() === 0) lchownSync(raw(path), stat.uid, stat.gid);
  if (stat.isSymbolicLink()) lutimesSync(raw(path), stat.atime, stat.mtime);
  else {
    chmodSync(raw(path), (stat.mode & 0o777) | (stat.isDirectory() ? 0o700 : 0o600));
    utimesSync(raw(path), stat.atime, stat.mtime);
  }
}

/** Makes a few entries of the kind on which backups go wrong. */
export function addOddities(data: string): void {
  const odd = `${data}/odd`;
  mkdirSync(`${odd}/empty folder`, { recursive: true });
  writeFileSync(`${odd}/empty file`, '');
  writeFileSync(`${odd}/two names`, 'one inode\n');
  linkSync(`${odd}/two names`, `${odd}/the second`);
  symlinkSync('nowhere/at/all', `${odd}/dangling`);
  writeFileSync(`${odd}/only for its owner`, 'secret\n', { mode: 0o600 });
  writeFileSync(`${odd}/a new\nline`, 'x');
  writeFileSync(`${odd}/before 1970`, 'old\n');
  utimesSync(`${odd}/before 1970`, '-86400.5', '-86400.5');
  mkdirSync(`${odd}/group's folder`);
  chmodSync(`${odd}/group's folder`, 0o2770);
  // Not every file system takes a name that is not UTF-8.
  attempt(() =>
    writeFileSync(Buffer.concat([Buffer.from(`${odd}/latin-1 `), Buffer.from([0xe4, 0xff])]), 'x'),
  );
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error) || error.code === 'ENOSPC') throw error;
  }
}
