/** Progress of a backup: the running figures of its worker, drawn with the one progress line of all commands. */
import { PROGRESS } from '../backup/progress.ts';
import type { Progress } from './progress.ts';

const INTERVAL_MS = 200;

/** Draws figures that another thread counts, until stop(). */
export function followFigures(progress: Progress, figures: Float64Array): { stop(): void } {
  let files = 0;
  let bytes = 0;
  progress.phase('backing up');
  const timer = setInterval(() => {
    const entries = figures[PROGRESS.entries] as number;
    const read = figures[PROGRESS.bytesRead] as number;
    progress.advance({ files: entries - files, bytes: read - bytes });
    [files, bytes] = [entries, read];
  }, INTERVAL_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
