/** Brings the content: each needed volume is fetched once, written by a worker, and each file in parts is checked when it is complete. */
import { parseSecretKey, type SecretKey } from '../crypto/secret-key.ts';
import { openSessionKey } from '../crypto/session-key.ts';
import { HoldfastError } from '../errors.ts';
import { inOrder } from '../in-order.ts';
import type { ByteString } from '../model.ts';
import { fetchObject } from '../store/fetch-object.ts';
import { ObjectPlaces } from '../store/object-places.ts';
import type { Store } from '../store/store.ts';
import {
  checkJob,
  type FileTrouble,
  type JobResult,
  type OpenedVolume,
  volumeJob,
  volumeRows,
} from './jobs.ts';
import type { Plan } from './plan.ts';
import type { WorkerPool } from './pool.ts';
import { PrefixChecks } from './prefix-checks.ts';
import { checksByRank, isWhole, ranksOf, THERE, volumesOf } from './ranks.ts';
import { Room } from './room.ts';
import { Kind } from './tree.ts';

/** What bringing content takes. */
export interface BringOptions {
  plan: Plan;
  /** Has been told where to write. */
  pool: WorkerPool;
  store: Store;
  secret: SecretKey;
  /** The target's absolute path. */
  root: ByteString;
  /** The same, open. */
  rootFd: number | undefined;
  owner: boolean;
  /** Files that cannot be made, by entry; those that turn out not to come back are added. */
  troubles: Map<number, FileTrouble>;
  /** Files to bring; all, where it is undefined. */
  only?: ReadonlySet<number>;
  /** Whether an earlier run has written what volume `index` of the plan brings. */
  isClaimed: (index: number) => boolean;
  /** Hears that everything of a volume has been written. */
  onWritten: (index: number) => void;
  /** Makes a file in parts anew, empty; returns why that cannot be done. */
  remake: (entry: number) => FileTrouble | undefined;
  onProgress: (files: number, bytes: number) => void;
  /** Throws when the restore was told to end. */
  stop: () => void;
}

/** What became of the content. */
export interface Brought {
  troubles: Map<number, FileTrouble>;
  /** Files of which not everything could be set, with a sum of NotSet. */
  notSet: Map<number, number>;
  /** Volumes that are damaged or missing. */
  lost: HoldfastError[];
}

/**
 * Volumes that are in memory at once: those of the workers; and where fetching one takes more than SLOW of the time that a worker needs for
 * it, one more, which is ready when a worker ends.
 */
const VOLUMES = 2;
const SLOW = 0.25;
/**
 * Small volumes, of so many bytes at most, and how many of them are in memory besides: a chain of incrementals has many of them, of which each takes longer to
 * come than to be written.
 */
const SMALL = 1024 * 1024;
const SMALL_VOLUMES = 8;
/** A check is cut into jobs of about so many bytes or files, so that both workers have their share. */
const CHECK_BYTES = 64 * 1024 * 1024;
const CHECK_FILES = 2000;

/** Brings the content of all files of a plan. Errors: those of the store; those that end a restore (`no-space`, `io`, `key`). */
export async function bringContent(options: BringOptions): Promise<Brought> {
  const { plan, isClaimed } = options;
  const { entries } = plan.tree;
  const { troubles, only } = options;
  const brought: Brought = { troubles, notSet: new Map(), lost: [] };
  const isFile = (entry: number) =>
    entries.kind(entry) === Kind.file && !troubles.has(entry) && only?.has(entry) !== false;
  const due = plan.volumes.inOrder().filter((index) => !isClaimed(index));
  const first = new Pass(options, brought, due, isFile, false);
  await first.run();

  // What an earlier run left was changed, or had not reached the disk when the machine went down; or a chunk is wrong, whose volume is
  // to be named. So these files are brought anew, and all is looked at closely.
  const again = first.failedChecks.filter(
    (entry) => troubles.get(entry)?.kind === 'damage' || volumesOf(plan, entry).some(isClaimed),
  );
  const files = new Set<number>();
  for (const entry of again) {
    const trouble = isWhole(plan, entry) ? undefined : options.remake(entry);
    if (trouble === undefined) {
      troubles.delete(entry);
      files.add(entry);
    } else {
      troubles.set(entry, trouble);
    }
  }
  if (files.size > 0) {
    const volumes = new Set([...files].flatMap((entry) => volumesOf(plan, entry)));
    const order = plan.volumes.inOrder().filter((index) => volumes.has(index));
    await new Pass(options, brought, order, (entry) => files.has(entry), true).run();
  }
  return brought;
}

/** Adds what is wrong with a volume; one that several passes have to do with is named once. */
export function addLost(lost: HoldfastError[], error: HoldfastError): void {
  if (!lost.some(({ object }) => object === error.object)) lost.push(error);
}

/** Volumes of a kind: how many may be in memory, and where they lie there. */
interface Held {
  room: Room;
  places: ObjectPlaces;
}

/** One way through some volumes, for some files; closely, or trusting the digests of files in parts. */
class Pass {
  readonly #options: BringOptions;
  readonly #pool: WorkerPool;
  readonly #brought: Brought;
  /** Volumes in the order in which they are fetched: the rank of one is its place here. */
  readonly #due: number[];
  readonly #wanted: (entry: number) => boolean;
  readonly #closely: boolean;
  /** Files to check as soon as the volume of that rank, and all before it, have been written. */
  readonly #checks: Map<number, number[]>;
  readonly #written: Uint8Array;
  readonly #prefixes: PrefixChecks;
  /** All volumes of smaller rank have been written. */
  #low = 0;
  readonly #running = new Set<Promise<void>>();
  /** For volumes that are fetched, wait, or are with a worker. */
  readonly #large: Held;
  readonly #small: Held;
  /** How long fetching all volumes so far took, and writing them, in milliseconds; small ones do not count. */
  #fetching = 0;
  #writing = 0;
  #failure: { error: unknown } | undefined;
  readonly failedChecks: number[] = [];
  /** Files in parts that the worker has checked which wrote them. */
  readonly #checked = new Set<number>();

  constructor(
    options: BringOptions,
    brought: Brought,
    due: number[],
    wanted: (entry: number) => boolean,
    closely: boolean,
  ) {
    this.#closely = closely;
    this.#options = options;
    this.#pool = options.pool;
    this.#brought = brought;
    this.#due = due;
    this.#wanted = wanted;
    this.#written = new Uint8Array(due.length);
    const { volumes } = options.plan;
    const sizes = due.map((index) => volumes.get(index).object.size);
    this.#large = { room: new Room(() => this.#most), places: new ObjectPlaces(mostOf(sizes)) };
    const small = sizes.filter((size) => size <= SMALL);
    this.#small = { room: new Room(() => SMALL_VOLUMES), places: new ObjectPlaces(mostOf(small)) };
    const { plan, root, rootFd, owner } = options;
    const ranks = ranksOf(plan, due);
    this.#prefixes = new PrefixChecks({ plan, root, rootFd, owner, ranks });
    this.#checks = checksByRank(plan, ranks, wanted, (entry) => this.#prefixes.consider(entry));
  }

  async run(): Promise<void> {
    try {
      await this.#run();
    } finally {
      this.#prefixes.close();
    }
  }

  async #run(): Promise<void> {
    const { plan, store, secret } = this.#options;
    const key = await parseSecretKey(secret);
    this.#prefixes.advance(THERE);
    this.#check(THERE);
    const fetch = async (index: number) => {
      const held = this.#heldOf(index);
      await held.room.enter();
      const { name, object } = plan.volumes.get(index);
      const begun = performance.now();
      try {
        return await held.places.fetch(async (place) => {
          const ciphertext = await fetchObject(store, name, object, place);
          return { ciphertext, sessionKey: await openSessionKey(ciphertext, key, name) };
        });
      } catch (error) {
        if (isDamage(error)) return error;
        // Those behind it in the queue wait for room that nobody will make.
        this.#refuse(error);
        throw error;
      } finally {
        if (held === this.#large) this.#fetching += performance.now() - begun;
      }
    };
    let rank = 0;
    for await (const [index, volume] of inOrder(this.#due, VOLUMES + SMALL_VOLUMES, fetch)) {
      if (volume instanceof HoldfastError) {
        this.#heldOf(index).room.leave();
        this.#lose(index, volume);
        this.#finishVolume(rank);
      } else {
        await this.#pool.room();
        if (this.#failure === undefined) this.#write(rank, index, volume);
      }
      this.#refuseStopped();
      if (this.#failure !== undefined) break;
      rank++;
    }
    // Checks begin when volumes end: there may be more of them each time.
    while (this.#running.size > 0) await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Throws when the restore was told to end. In that case, and after a failure, what waits to be fetched is not fetched any more. */
  #refuseStopped(): void {
    try {
      this.#options.stop();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    } finally {
      if (this.#failure !== undefined) this.#refuse(this.#failure.error);
    }
  }

  #refuse(error: unknown): void {
    for (const { room } of [this.#large, this.#small]) room.refuse(error);
  }

  #heldOf(index: number): Held {
    return this.#options.plan.volumes.get(index).object.size <= SMALL ? this.#small : this.#large;
  }

  get #most(): number {
    return this.#writing > 0 && this.#fetching > SLOW * this.#writing ? VOLUMES + 1 : VOLUMES;
  }

  #write(rank: number, index: number, volume: OpenedVolume): void {
    const { plan, root, onWritten } = this.#options;
    const job = volumeJob(plan, index, volume, this.#closely);
    const rows = volumeRows(plan, root, index, this.#wanted);
    const held = this.#heldOf(index);
    const begun = performance.now();
    const written = this.#pool
      .run(() => job, rows)
      .finally(() => {
        if (held === this.#large) this.#writing += performance.now() - begun;
        held.places.give(volume);
        held.room.leave();
      });
    this.#start(written, (result) => {
      this.#note(result);
      if (result.damage !== undefined) {
        const { name } = plan.volumes.get(index);
        addLost(this.#brought.lost, new HoldfastError('damage', result.damage, { object: name }));
      }
      // What is not noted is brought again when the restore is resumed.
      if (!result.troubles.some(({ kind }) => kind === 'damage')) onWritten(index);
      this.#finishVolume(rank);
    });
  }

  #finishVolume(rank: number): void {
    this.#written[rank] = 1;
    while (this.#written[this.#low] === 1) {
      this.#prefixes.advance(this.#low);
      this.#check(this.#low++);
    }
  }

  #check(rank: number): void {
    const { plan, root } = this.#options;
    const { troubles } = this.#brought;
    const noteChecked = (result: JobResult) => {
      this.#note(result);
      for (const { entry } of result.troubles) this.failedChecks.push(entry);
    };
    const files = (this.#checks.get(rank) ?? []).filter(
      (entry) => !troubles.has(entry) && !this.#checked.delete(entry),
    );
    this.#checks.delete(rank);
    const inOneGo: number[] = [];
    for (const entry of files) {
      if (this.#prefixes.has(entry)) this.#start(this.#finishPrefix(entry), noteChecked);
      else inOneGo.push(entry);
    }
    for (const batch of batches(plan, inOneGo)) {
      this.#start(
        this.#pool.run(() => checkJob(plan, root, batch)),
        noteChecked,
      );
    }
  }

  async #finishPrefix(entry: number): Promise<JobResult> {
    const { plan, root, onProgress } = this.#options;
    const result = await this.#prefixes.finish(entry);
    if (result === undefined) return this.#pool.run(() => checkJob(plan, root, [entry]));
    onProgress(1, 0);
    return result;
  }

  /** A volume that cannot be had: everything that needs it is lost. */
  #lose(index: number, error: HoldfastError): void {
    const { plan } = this.#options;
    addLost(this.#brought.lost, error);
    for (const extent of plan.content.ofVolume(index)) {
      const entry = plan.content.entry(extent);
      if (!this.#wanted(entry) || this.#brought.troubles.has(entry)) continue;
      const problem = `is lost: ${error.message}`;
      this.#brought.troubles.set(entry, { entry, kind: 'damage', problem, begun: !isWhole(plan, entry) });
    }
  }

  #note({ troubles, checked, notSet }: JobResult): void {
    for (const entry of checked) this.#checked.add(entry);
    for (const trouble of troubles) this.#brought.troubles.set(trouble.entry, trouble);
    for (const [entry, what] of notSet) this.#brought.notSet.set(entry, what);
  }

  #start(result: Promise<JobResult>, then: (result: JobResult) => void): void {
    const running: Promise<void> = result
      .then(then)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

function* batches({ tree }: Plan, files: readonly number[]): Generator<number[]> {
  let batch: number[] = [];
  let bytes = 0;
  for (const entry of files) {
    batch.push(entry);
    bytes += tree.entries.size(entry);
    if (batch.length < CHECK_FILES && bytes < CHECK_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

function mostOf(sizes: readonly number[]): number {
  return sizes.reduce((most, size) => Math.max(most, size), 0);
}

function isDamage(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'damage';
}
