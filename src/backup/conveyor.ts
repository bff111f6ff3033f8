/** From the producer through sealing to the store: every object of a set passes here, and is listed once it is stored. */
import { availableParallelism } from 'node:os';
import { HoldfastError } from '../errors.ts';
import type { CommitObject } from '../format/commit.ts';
import { unpackError } from '../worker/start.ts';
import { StopFlag } from '../worker/stop.ts';
import { placesFor } from './places.ts';
import type { ProduceEvent, ProduceOptions, ProduceResult } from './produce.ts';
import type { FromProducer, ProducerData } from './produce-worker.ts';
import { PROGRESS_LENGTH } from './progress.ts';
import { type SealedObject, type Sealing, SealPool } from './seal-pool.ts';
import { newSlabs, Slabs } from './slabs.ts';
import { type ReadyThreads, startProducer, startWalker } from './threads.ts';

/** Threads that compress and seal: on two cores, the second one has work while the producer waits. More than these are waiting for the producer. */
const SEALERS = Math.min(4, availableParallelism());

export interface ConveyorOptions {
  produce: ProduceOptions;
  /** Recipients' keys in binary. */
  recipients: Uint8Array[];
  /** Start of the run. */
  now: Date;
  /** Stores a sealed object; `name` is its name below the set's folder. */
  store: (name: string, object: SealedObject) => Promise<void>;
  /** Whether the store knows objects by their MD5. */
  md5: boolean;
  /** Puts that may be under way at once. */
  uploads: number;
  onEvent: (event: ProduceEvent) => void;
  /** Called with the shared figures (see PROGRESS) before work begins. */
  onProgress: (figures: Float64Array) => void;
  signal: AbortSignal;
  /** Threads that are ready, if there are any: they are taken. */
  threads?: ReadyThreads | undefined;
}

/** What a run made: the producer's account, and all objects, in the order of the commit. */
export interface Made {
  result: ProduceResult;
  objects: CommitObject[];
}

/** Runs the producer to its end. Rejects with the first failure of any stage, all workers stopped. */
export async function runConveyor(options: ConveyorOptions): Promise<Made> {
  const shared = new SharedArrayBuffer(PROGRESS_LENGTH * Float64Array.BYTES_PER_ELEMENT);
  options.onProgress(new Float64Array(shared));
  const stop = new StopFlag();
  const memory = newSlabs(SEALERS);
  const slabs = new Slabs(memory);
  const walker = walkerFor(options.produce, options.threads);
  const data: ProducerData = {
    options: options.produce,
    progress: shared,
    stop: stop.memory,
    // Two more than uploads, so that a volume and a part of the manifest fill while all others are on their way.
    objectsInFlight: options.uploads + 2,
    slabs: memory,
    walked: walker?.walked,
  };
  const pool = new SealPool({
    recipients: options.recipients,
    now: options.now,
    md5: options.md5,
    width: SEALERS,
    places: placesFor(options.produce.limits.size, options.uploads),
    slabs: memory,
  });
  // By the time that a first slab is full, it has started.
  if (walker === undefined) pool.prepare();
  const { worker: producer, ended: producerEnded, tell } = options.threads?.takeProducer() ?? startProducer();
  tell({ kind: 'produce', data });
  const objects: CommitObject[] = [];
  const open = new Map<number, { name: string; sealing: Sealing }>();
  const underWay = new Set<Promise<void>>();
  const puts = new Set<Promise<void>>();
  let isOver = false;

  const finish = async (key: number, plainSize: number) => {
    const { name, sealing } = takeOut(open, key);
    const sealed = await sealing.end();
    const { size, md5, sha256 } = sealed;
    while (puts.size >= options.uploads && !isOver) await Promise.race(puts);
    // What waited for its turn must not begin when the lock is about to go.
    if (isOver) return;
    const storing = options.store(name, sealed);
    puts.add(storing);
    await storing.finally(() => puts.delete(storing));
    objects.push({ name, size, plainSize, ...(md5 === undefined ? {} : { md5 }), sha256 });
    sealing.release();
    slabs.endObject();
  };

  try {
    return await new Promise<Made>((resolve, rejectRun) => {
      const reject = (error: unknown) => {
        isOver = true;
        rejectRun(error);
      };
      const abort = () => reject(interrupted());
      if (options.signal.aborted) abort();
      options.signal.addEventListener('abort', abort, { once: true });
      pool.onFailure = reject;
      producer.on('error', reject);
      walker?.failure.then(reject);
      const hear = (message: FromProducer) => {
        switch (message.kind) {
          case 'open':
            open.set(message.key, {
              name: message.name,
              sealing: pool.open(message.compression, message.figures),
            });
            break;
          case 'content':
            open.get(message.key)?.sealing.write(message.slab, message.length);
            break;
          case 'end': {
            const work = finish(message.key, message.plainSize);
            underWay.add(work);
            work.then(() => underWay.delete(work), reject);
            break;
          }
          case 'event':
            options.onEvent(message.event);
            break;
          case 'done':
            Promise.all(underWay).then(
              () => resolve({ result: message.result, objects: objects.sort(byPlace) }),
              reject,
            );
            break;
          case 'failed':
            reject(unpackError(message.error));
            break;
        }
      };
      producer.on('message', (message: FromProducer) => {
        try {
          hear(message);
        } catch (error) {
          reject(error);
        }
      });
    });
  } finally {
    stop.set();
    slabs.wake();
    walker?.stop();
    await Promise.all([producerEnded, walker?.ended, pool.close()]);
    // Nothing must still be on its way to the store when the lock goes.
    await Promise.allSettled(puts);
  }
}

/** A walker that is at work, where one is of use: most of what an incremental does is to look at what has not changed. */
function walkerFor({ parent, sources, own }: ProduceOptions, threads: ReadyThreads | undefined) {
  if (parent === undefined) {
    // A full has work enough for all threads, and needs the memory.
    threads?.dropWalker();
    return undefined;
  }
  const walker = threads?.takeWalker() ?? startWalker();
  walker.walk({ sources, own });
  return walker;
}

function takeOut<K, V>(map: Map<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error('an object ended that was not begun');
  map.delete(key);
  return value;
}

function interrupted(): HoldfastError {
  return new HoldfastError(
    'interrupted',
    'interrupted: nothing was committed; earlier points are as they were',
  );
}

/** Volumes first, then the manifest's objects, each by number. */
function byPlace(a: CommitObject, b: CommitObject): number {
  const rank = (name: string) => (name.startsWith('vol-') ? 0 : 1);
  const number = (name: string) => Number(/\d+/.exec(name)?.[0]);
  return rank(a.name) - rank(b.name) || number(a.name) - number(b.name);
}
