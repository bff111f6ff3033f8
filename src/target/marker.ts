/** The file at the top of a target under restore: says which restore it is, and what of it is done, so that it can be resumed. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../errors.ts';
import { writeFailed } from './failure.ts';
import { clear } from './folder.ts';

/** Name of the marker in the target. */
export const MARKER_NAME = '.holdfast-restore';

const VERSION = 1;
/** Larger than any marker of a restore of 10 million volumes. */
const SIZE_LIMIT = 512 * 1024 * 1024;

const head = z.object({
  format: z.literal('holdfast-restore'),
  version: z.literal(VERSION),
  strategy: z.string(),
  seq: z.int().min(1),
  id: z.string(),
  commitSha256: z.string(),
  paths: z.array(z.string()),
  overwrite: z.boolean(),
  mode: z.int().min(0).max(0o7777).nullable(),
});
const progress = z.union([
  z.object({ kept: z.string() }),
  z.object({ prepared: z.literal(true) }),
  z.object({ volume: z.tuple([z.int().min(1), z.int().min(1)]) }),
]);

/** Which restore a target is under. */
export interface RestoreIdentity {
  strategy: string;
  seq: number;
  id: string;
  commitSha256: string;
  /** PATHs as they were given; none for all. */
  paths: readonly string[];
}

/** What is fixed when a restore begins. */
export interface RestoreStart extends RestoreIdentity {
  /** Whether the target held other things then. */
  overwrite: boolean;
  /** Mode that the target gets in the end; null where it keeps what it has. */
  mode: number | null;
}

/** What a marker says. */
export interface MarkerState extends RestoreStart {
  /** Whether every file that comes in parts has been made, empty. */
  prepared: boolean;
  /** What stays as it was, of the things that the target held; undefined while that is not decided. */
  kept: string | undefined;
  /** Volumes whose content has been written, as `seq/volume`. */
  volumes: Set<string>;
  /** Bytes of the marker that were understood: what follows its last newline was cut off by whatever interrupted the restore. */
  length: number;
}

/** Whether two restores are the same, so that one may go on where the other was interrupted. */
export function isSameRestore(a: RestoreIdentity, b: RestoreIdentity): boolean {
  return (
    a.strategy === b.strategy &&
    a.seq === b.seq &&
    a.id === b.id &&
    a.commitSha256 === b.commitSha256 &&
    JSON.stringify([...a.paths].sort()) === JSON.stringify([...b.paths].sort())
  );
}

/** What the marker in a target says; undefined where there is none that can be understood. */
export function readMarker(at: string): MarkerState | undefined {
  let fd: number;
  try {
    fd = openSync(join(at, MARKER_NAME), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const { size } = fstatSync(fd);
    if (size > SIZE_LIMIT || !fstatSync(fd).isFile()) return undefined;
    const bytes = Buffer.alloc(size);
    return parse(bytes.toString('utf8', 0, readSync(fd, bytes, 0, size, 0)));
  } finally {
    closeSync(fd);
  }
}

function parse(text: string): MarkerState | undefined {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const [first, ...lines] = whole.split('\n').slice(0, -1);
  const start = head.safeParse(json(first));
  if (!start.success) return undefined;
  const { format: _format, version: _version, ...identity } = start.data;
  const length = Buffer.byteLength(whole);
  const state: MarkerState = { ...identity, prepared: false, kept: undefined, volumes: new Set(), length };
  for (const line of lines) {
    const step = progress.safeParse(json(line));
    if (!step.success) continue;
    if ('prepared' in step.data) state.prepared = true;
    else if ('kept' in step.data) state.kept = step.data.kept;
    else state.volumes.add(step.data.volume.join('/'));
  }
  return state;
}

function json(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}

const APPEND = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_APPEND;

/**
 * The marker of the restore that is under way. Nothing of it needs to reach the disk at a certain time: what it claims is read again
 * when a restore is resumed. Errors: `no-space`, `io`.
 */
export class Marker {
  /** For messages. */
  readonly #path: string;
  readonly #place: string;
  readonly #fd: number;
  #open = true;

  private constructor(path: string, place: string, fd: number) {
    this.#path = path;
    this.#place = place;
    this.#fd = fd;
  }

  /** Begins a restore into `root`, to which the path `at` leads for sure. A marker that is there already gives way. */
  static async create(root: string, start: RestoreStart, at = root): Promise<Marker> {
    const path = join(root, MARKER_NAME);
    const place = join(at, MARKER_NAME);
    const marker = attempt(path, () => {
      clear(place);
      return new Marker(path, place, openSync(place, APPEND | constants.O_CREAT | constants.O_EXCL, 0o600));
    });
    await marker.#lock(root);
    marker.#write({ format: 'holdfast-restore', version: VERSION, ...start });
    return marker;
  }

  /** Goes on with a restore, of whose marker the first `length` bytes are good. `at` as for create(). */
  static async resume(root: string, length: number, at = root): Promise<Marker> {
    const path = join(root, MARKER_NAME);
    const place = join(at, MARKER_NAME);
    const marker = attempt(path, () => new Marker(path, place, openSync(place, APPEND)));
    await marker.#lock(root);
    attempt(path, () => ftruncateSync(marker.#fd, length));
    return marker;
  }

  /** Notes what stays as it was; to be called before anything is written. */
  kept(decisions: string): void {
    this.#write({ kept: decisions });
  }

  /** Notes that every file of several parts has been made. */
  prepared(): void {
    this.#write({ prepared: true });
  }

  /** Notes that the content of a volume has been written. */
  claim(seq: number, volume: number): void {
    this.#write({ volume: [seq, volume] });
  }

  /** Lets go of the marker; it stays, and the restore can be resumed. */
  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  /** The restore has come to its end. */
  remove(): void {
    this.close();
    attempt(this.#path, () => unlinkSync(this.#place));
  }

  /** Keeps a second restore away, where the machine and the file system have locks. */
  async #lock(root: string): Promise<void> {
    let taken: boolean;
    try {
      const { tryLock } = await import('fs-native-extensions');
      taken = tryLock(this.#fd);
    } catch {
      return;
    }
    if (taken) return;
    this.close();
    throw new HoldfastError(
      'locked',
      `another restore into ${root} is running (it holds ${MARKER_NAME} there): wait for it or end it`,
      { path: this.#path },
    );
  }

  #write(line: object): void {
    // By now, its number may be another file's.
    if (!this.#open) throw new Error('a marker was written to after its end');
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    attempt(this.#path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    });
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw writeFailed(path, error);
  }
}
