/** Says what is right and what is wrong with strategy, keys, state and store: the order of the looks, each of which may fail alone. */
import { examineHost, type HostPlaces } from './doctor/host.ts';
import { examinePoints } from './doctor/points.ts';
import { examineStrategy } from './doctor/strategy.ts';
import type { Findings } from './finding.ts';
import { examineDirectory } from './store/directory-examine.ts';
import type { Examination } from './store/examination.ts';
import type { Surroundings } from './store/swift/credentials/find.ts';
import type { Strategy, StrategyForRestore } from './strategy/strategy.ts';

/** What is looked at: by a strategy file, or a store alone. */
export type Patient = { strategyFile: string } | Pick<StrategyForRestore, 'name' | 'store'>;

export interface DoctorOptions {
  /** Nothing is written, not even a probe in the store. */
  readOnly: boolean;
  /** Milliseconds for one look at the store. */
  patience: number;
  /** Where the host's own things are, by its strategy. */
  places: (strategy: Strategy) => HostPlaces;
  /** Where credentials are looked for. */
  surroundings: Omit<Surroundings, 'strategyFile'>;
  now: () => Date;
  /** A word that no other run uses. */
  random: () => string;
  /** Hears of attempts that are repeated, in one line each. */
  onRetry: (line: string) => void;
}

/**
 * Looks at everything and changes nothing but a probe object in the store, which it removes. What is wrong is a finding and no error;
 * whatever is thrown is a defect.
 */
export async function* doctor(patient: Patient, options: DoctorOptions): Findings {
  const { whole, named, task } =
    'strategyFile' in patient
      ? yield* examineStrategy(patient.strategyFile)
      : { whole: undefined, named: patient, task: 'restore' as const };
  const expected = whole === undefined ? undefined : yield* examineHost(whole, options.places(whole));
  if (named === undefined) return;
  const { store, name } = named;
  const pinned = 'signer' in named ? named.signer : [];
  const trust = pinned.length === 0 ? 'keys-in-store' : { pinned };
  const examination: Examination = {
    ...options,
    strategy: name,
    task,
    expected,
    points: (opened) => examinePoints(opened, name, trust),
    volumeSize: whole?.volume.size,
    sources: (whole?.sources ?? []).flatMap((source) => (source.kind === 'paths' ? source.paths : [])),
  };
  if (store.kind === 'directory') yield* examineDirectory(store, examination);
  else {
    // Loaded only where it is used: pkgcloud takes a tenth of a second.
    const { examineSwift } = await import('./store/swift/examine.ts');
    const file = 'strategyFile' in patient ? { strategyFile: patient.strategyFile } : {};
    const surroundings = { ...options.surroundings, ...file };
    yield* examineSwift(store, examination, surroundings, options.onRetry);
  }
}
