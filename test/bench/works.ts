/** The works that are measured, and the command of a tool that does each. */
import type { Command } from './measure.ts';
import type { Job } from './tools/tool.ts';

/** The names stand in the table. `incremental` comes after a change of the data, `unchanged` after none. */
export type Work =
  | 'full'
  | 'unchanged'
  | 'incremental'
  | 'restore'
  | 'restore one file'
  | 'verify without key'
  | 'verify with key';

/** What a work needs besides the job. */
export interface WorkOrder {
  work: Work;
  /** A new folder to restore into. */
  to: string;
  /** The file to restore, by its path below the source. */
  file: string;
}

/** Undefined where the tool cannot do it. */
export function commandOf(job: Job, { work, to, file }: WorkOrder): Command | undefined {
  switch (work) {
    case 'full':
      return job.full;
    case 'unchanged':
    case 'incremental':
      return job.incremental?.();
    case 'restore':
      return job.restore?.(to);
    case 'restore one file':
      return job.restoreOne?.(file, to);
    case 'verify without key':
      return job.verifyWithoutKey;
    case 'verify with key':
      return job.verifyWithKey;
  }
}

/** Whether it adds to the store. */
export function isStoring(work: Work): boolean {
  return work === 'full' || work === 'unchanged' || work === 'incremental';
}

/** Whether it goes through all of the content. */
export function isOfEverything(work: Work): boolean {
  return work === 'full' || work === 'restore' || work === 'verify with key';
}
