/** What a restore will take, before anything is written: bytes, downloads, room. Changes nothing. */
import { toFsPath } from '../format/bytes.ts';
import { bytesFreedBy, checkRoom, roomAt } from '../target/space.ts';
import type { TargetChoice } from '../target/target.ts';
import { targetPath } from './jobs.ts';
import type { Plan } from './plan.ts';

/** What is said before anything is written. */
export interface Forecast {
  entries: number;
  /** Bytes of content that come; what an interrupted restore has brought already is not among them. */
  bytes: number;
  /** Volumes that are fetched, and their bytes. */
  volumes: number;
  download: number;
  /** Bytes that the content takes on the disk, and those that are free there. */
  space: number;
  free: number;
  /** Whether an interrupted restore is resumed. */
  resumed: boolean;
}

/** Foresees a restore. `isClaimed` says what an earlier run has brought. */
export function foresee(plan: Plan, choice: TargetChoice, isClaimed: (index: number) => boolean): Forecast {
  const { content, volumes, totals } = plan;
  const room = roomAt(choice.path);
  const forecast: Forecast = {
    entries: totals.entries,
    bytes: totals.bytes,
    volumes: 0,
    download: 0,
    space: totals.space,
    free: room.bytes,
    resumed: choice.resumed !== undefined,
  };
  for (let index = 0; index < volumes.length; index++) {
    if (!isClaimed(index)) {
      forecast.volumes++;
      forecast.download += volumes.get(index).object.size;
      continue;
    }
    for (const extent of content.ofVolume(index)) {
      const { length } = content.stretch(extent);
      forecast.bytes -= length;
      forecast.space -= length;
    }
  }
  return forecast;
}

/** Errors: `no-space`, when a restore does not fit into its target, also when what it replaces is gone. */
export function refuseWithoutRoom(plan: Plan, choice: TargetChoice, forecast: Forecast): void {
  const { tree } = plan;
  const room = roomAt(choice.path);
  let bytes = forecast.space;
  for (let entry = 0; choice.overwrite && bytes > room.bytes && entry < tree.entries.length; entry++) {
    bytes -= bytesFreedBy(toFsPath(targetPath(choice.root, tree.path(entry))));
  }
  checkRoom(choice.path, room, {
    bytes,
    entries: forecast.resumed || choice.overwrite ? 0 : forecast.entries,
  });
}
