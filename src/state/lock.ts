/** One run at a time in a state folder: a lock that the kernel holds, and drops when the process ends in whatever way. */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isNoSpace } from '../durable.ts';
import { HoldfastError, systemCode } from '../errors.ts';

/** Who holds the lock, as others are told. */
export interface LockHolder {
  /** The command that runs, e.g. `backup`. */
  command: string;
  pid: number;
  started: Date;
}

export interface Lock {
  /** Lets the next run in. A second call does nothing. */
  release(): Promise<void>;
}

/** O_NOFOLLOW: a link at this name would let its maker choose which file is emptied. Node adds O_CLOEXEC. */
const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** A description is far shorter; more than this is not one. */
const MAX_DESCRIPTION = 4096;

/** How often, and in what steps, a lock is tried whose holder has not yet said who it is. */
const TRIES = 6;
const STEP_MS = 50;

const description = z.strictObject({
  command: z.string().regex(/^[\x20-\x7e]{1,100}$/),
  pid: z.int().positive(),
  started: z.iso.datetime(),
  host: z.string().regex(/^[\x20-\x7e]{0,255}$/),
});
type Description = z.infer<typeof description>;

/**
 * Takes the lock `file` (made 0600 where it is not there) for this process. The file stays when the lock is
 * released, and must not be removed while a run may hold it. Rejects with `locked`, naming the holder, when another
 * process or thread has it; with `no-space` or `state` when there can be no lock.
 */
export async function acquireLock(file: string, holder: LockHolder): Promise<Lock> {
  const tryLock = await loadTryLock(file);
  for (let tries = TRIES; ; tries--) {
    const taken = attempt(file, holder, tryLock);
    if (typeof taken === 'number') return heldLock(taken);
    if (tries === 1 || (taken !== undefined && !isDead(taken))) throw locked(file, taken);
    await sleep(STEP_MS);
  }
}

/** The locked descriptor, or what its holder says of itself (undefined while it says nothing that can be read). */
function attempt(
  file: string,
  holder: LockHolder,
  tryLock: (fd: number) => boolean,
): number | Description | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, OPEN, 0o600);
    const taken = tryLock(fd);
    // Between opening and locking, someone may have put another file in the place of this one.
    if (taken && isStill(fd, file)) {
      fchmodSync(fd, 0o600);
      describeHolder(fd, holder);
      return fd;
    }
    const other = taken ? undefined : readDescription(fd);
    closeSync(fd);
    return other;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    const context = { path: file, cause: error };
    if (isNoSpace(error)) {
      throw new HoldfastError(
        'no-space',
        `no room left for the lock ${file}; free some and try again`,
        context,
      );
    }
    throw new HoldfastError(
      'state',
      `the lock ${file} cannot be used (${reason(error)}); see who owns it and whether its file system has locks`,
      context,
    );
  }
}

/** Written at once after locking, in the same turn: whoever finds the lock taken finds this, or waits a moment. */
function describeHolder(fd: number, { command, pid, started }: LockHolder): void {
  const text: Description = { command, pid, started: started.toISOString(), host: hostname() };
  ftruncateSync(fd, 0);
  writeSync(fd, `${JSON.stringify(text)}\n`, 0);
}

function heldLock(fd: number): Lock {
  let held = true;
  return {
    async release() {
      if (!held) return;
      held = false;
      try {
        // A description without a lock would only mislead whoever looks; but letting go matters more.
        ftruncateSync(fd, 0);
      } catch {
      } finally {
        closeSync(fd);
      }
    },
  };
}

function isStill(fd: number, file: string): boolean {
  const [open, named] = [fstatSync(fd), statSync(file, { throwIfNoEntry: false })];
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

function readDescription(fd: number): Description | undefined {
  const buffer = Buffer.alloc(MAX_DESCRIPTION);
  const length = readSync(fd, buffer, 0, MAX_DESCRIPTION, 0);
  try {
    return description.parse(JSON.parse(buffer.toString('utf8', 0, length)));
  } catch {
    return undefined;
  }
}

/** Whether this is left from a process that has ended: the true holder has not yet written over it. */
function isDead({ pid, host }: Description): boolean {
  if (host !== hostname()) return false;
  try {
    kill(pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}

function locked(file: string, who: Description | undefined): HoldfastError {
  const advice = 'wait for it or end it';
  if (who === undefined || isDead(who)) {
    const message = `another run of this strategy is running (it holds ${file}); ${advice}`;
    return new HoldfastError('locked', message, { path: file });
  }
  const since = `${who.started.slice(0, 19).replace('T', ' ')} UTC`;
  const place = who.host === hostname() ? '' : ` on ${who.host}`;
  const message = `another run of this strategy is running: ${who.command}, pid ${who.pid}${place}, since ${since}; ${advice}`;
  return new HoldfastError('locked', message, { path: file });
}

/** Loaded when needed, so that commands without a lock also run where the native part does not. */
async function loadTryLock(file: string): Promise<(fd: number) => boolean> {
  try {
    const { tryLock } = await import('fs-native-extensions');
    return tryLock;
  } catch (error) {
    throw new HoldfastError(
      'state',
      `no lock can be taken on ${file}: fs-native-extensions does not load here (${reason(error)}); run npm ci on this machine, or use one with Linux x64 or arm64 and glibc`,
      { path: file, cause: error },
    );
  }
}

function reason(error: unknown): string {
  return systemCode(error) ?? (error instanceof Error ? error.name : 'unknown');
}
