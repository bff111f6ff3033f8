/** What a backup is given to work with. */
import type { Recipient } from '../crypto/recipients.ts';
import type { Signer } from '../crypto/signer.ts';
import type { WriterRecord } from '../state/writer.ts';
import type { Store } from '../store/store.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { Plan, RequestedType } from './plan.ts';
import type { ProduceEvent } from './produce.ts';
import type { Forecast } from './survey.ts';
import type { ReadyThreads } from './threads.ts';

/** Everything that a backup works with. The caller holds the lock of the state folder. */
export interface BackupOptions {
  strategy: Strategy;
  store: Store;
  stateFolder: string;
  writer: WriterRecord;
  signer: Signer;
  recipients: readonly Recipient[];
  requested: RequestedType;
  /** Whether this user may keep access times from changing. */
  keepAccessTime: boolean;
  /** Folders of Holdfast's own that must not be backed up: state, directory store. */
  own: readonly string[];
  /** Name and version of the program, for the commit. */
  tool: string;
  now: () => Date;
  /** When the walk began, if `threads` have begun it already. */
  started?: Date | undefined;
  signal: AbortSignal;
  /** Hears what happens: a line of text for people, or an event of the walk. */
  onWarning: (text: string) => void;
  onEvent: (event: ProduceEvent) => void;
  onPlan: (plan: Plan, seq: number) => void;
  onProgress: (figures: Float64Array) => void;
  /** Where somebody watches: hears, as soon as it is known, what will be read in all. */
  onForecast?: (forecast: Forecast) => void;
  /** Threads that are ready, if there are any. What is not taken of them, the caller ends. */
  threads?: ReadyThreads;
}
