/** A written strategy without problems → the strategy as used: units converted, paths made absolute. */

import { resolve } from 'node:path';
import { parseDuration } from './duration.ts';
import { parseFingerprint } from './fingerprint.ts';
import { type Period, parsePeriod } from './period.ts';
import type { Position } from './problem.ts';
import { parseRate } from './rate.ts';
import type { WrittenStrategy } from './schema.ts';
import { parseSize } from './size.ts';
import { plainSourcePath } from './source-path.ts';
import type { Source, StoreChoice, Strategy } from './strategy.ts';

type WrittenSource = WrittenStrategy['sources'][number];

/**
 * The strategy that was written in the file `file` (absolute), whose folder is what relative paths start
 * from. Expects that schema and agreement found nothing wrong.
 */
export function settle(
  written: WrittenStrategy,
  file: string,
  folder: string,
  positions: ReadonlyMap<string, Position>,
): Strategy {
  const { schedule, retention, limits, objectives, volume } = written;
  return {
    file,
    name: written.name,
    sources: written.sources.map(settleSource),
    store: settleStore(written.store, folder),
    recipients: [...new Set(written.recipients.map((path) => resolve(folder, path)))],
    schedule: {
      full: period(schedule.full),
      ...(schedule.incremental !== undefined && { incremental: period(schedule.incremental) }),
      ...(schedule.at !== undefined && { at: schedule.at }),
    },
    ...(retention && {
      retention: {
        ...(retention.points !== undefined && { points: known(parseDuration(retention.points)) }),
        weekly: retention.weekly,
        monthly: retention.monthly,
        yearly: retention.yearly,
        minimumChains: retention.minimumChains,
      },
    }),
    ...(limits && {
      limits: {
        ...(limits.size !== undefined && { size: known(parseSize(limits.size)) }),
        ...(limits.upload !== undefined && { upload: known(parseRate(limits.upload)) }),
      },
    }),
    ...(objectives && {
      objectives: {
        ...(objectives.rpo !== undefined && { rpo: known(parseDuration(objectives.rpo)) }),
        ...(objectives.rto !== undefined && { rto: known(parseDuration(objectives.rto)) }),
      },
    }),
    signer: settleSigner(written.signer),
    volume: { size: known(parseSize(volume.size)), compression: volume.compression },
    positions,
  };
}

function settleSource(source: WrittenSource): Source {
  if (source.command !== undefined) return { kind: 'command', name: source.name, command: source.command };
  return {
    kind: 'paths',
    name: source.name,
    paths: known(source.paths).map(plainSourcePath),
    exclude: source.exclude ?? [],
    include: source.include ?? [],
    excludeIfPresent: source.excludeIfPresent ?? [],
    excludeCaches: source.excludeCaches,
    oneFileSystem: source.oneFileSystem,
    ...(source.excludeLargerThan !== undefined && {
      excludeLargerThan: known(parseSize(source.excludeLargerThan)),
    }),
    allowEmpty: source.allowEmpty,
  };
}

/** The store that a `store` block names; relative paths start from `folder`. */
export function settleStore(written: WrittenStrategy['store'], folder: string): StoreChoice {
  const { swift } = written;
  if (swift === undefined) {
    return {
      kind: 'directory',
      directory: resolve(folder, known(written.directory)),
      prefix: plainPrefix(written.prefix),
    };
  }
  return {
    kind: 'swift',
    container: swift.container,
    prefix: plainPrefix(swift.prefix),
    ...(swift.cloud !== undefined && { cloud: swift.cloud }),
    ...(swift.credentialsFile !== undefined && { credentialsFile: resolve(folder, swift.credentialsFile) }),
    ...(swift.region !== undefined && { region: swift.region }),
    ...(swift.interface !== undefined && { interface: swift.interface }),
    ...(swift.caFile !== undefined && { caFile: resolve(folder, swift.caFile) }),
    ...(swift.insecure !== undefined && { insecure: swift.insecure }),
    ...(swift.allowedRegions !== undefined && { allowedRegions: swift.allowedRegions }),
    uploads: swift.uploads,
    deadline: known(parseDuration(swift.deadline)),
  };
}

/** The fingerprints under `signer`, each once. */
export function settleSigner(written: WrittenStrategy['signer']): string[] {
  return [...new Set([written ?? []].flat().map((text) => known(parseFingerprint(text))))];
}

function plainPrefix(written: string | undefined): string {
  return (written ?? '').replace(/\/+$/, '');
}

function period(text: string): Period {
  return known(parsePeriod(text));
}

/** What the schema has checked; anything else is a defect of the program. */
function known<T>(value: T | undefined): T {
  if (value === undefined)
    throw new Error('a value passed the schema of the strategy and cannot be read: please report this');
  return value;
}
