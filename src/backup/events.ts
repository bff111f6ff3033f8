/** What happens while a set is made, for people. */
import type { Change, Incident, SkippedBy } from '../index/compare.ts';
import type { ByteString } from '../model.ts';

/** Something that was passed by although no pattern says so; `marker` is the name of the file that did it. */
export interface SkippedEvent {
  skipped: ByteString;
  why: SkippedBy;
  marker?: ByteString;
}

/** Something that makes the point incomplete, was passed by, or was emptied by a marker. */
export type ProduceEvent =
  | { incident: Incident }
  | SkippedEvent
  | { emptied: ByteString; marker: ByteString; entries: number };

/** What is told of something that was passed by. */
export function skippedEvent({ path, why, marker }: Extract<Change, { kind: 'skipped' }>): SkippedEvent {
  return { skipped: path, why, ...(marker === undefined ? {} : { marker }) };
}
