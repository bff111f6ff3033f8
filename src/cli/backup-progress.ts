/** Progress of a backup on a terminal: one line, rewritten a few times a second. */
import { PROGRESS } from '../backup/produce.ts';
import { formatBytes } from '../strategy/size.ts';
import type { CliContext } from './context.ts';

/** What the backup command uses of a progress line. */
export interface BackupProgress {
  /** Shows these figures until stop(). */
  watch: (figures: Float64Array) => void;
  /** Lets something else be written: the line is cleared before. */
  aside: (write: () => void) => void;
  stop: () => void;
}

const INTERVAL_MS = 250;
const CLEAR = '\r\x1b[K';

/** Starts the progress line; a silent one where standard error is no terminal or JSON was asked for. */
export function startProgress(context: CliContext, options: { json?: true; dryRun?: true }): BackupProgress {
  if (!context.isTTY.stderr || options.json || options.dryRun) {
    return { watch: () => {}, aside: (write) => write(), stop: () => {} };
  }
  let timer: NodeJS.Timeout | undefined;
  const started = performance.now();
  return {
    watch(figures) {
      clearInterval(timer);
      timer = setInterval(() => {
        const seconds = (performance.now() - started) / 1000;
        const bytes = figures[PROGRESS.bytesRead] as number;
        context.stderr(
          `${CLEAR}backing up: ${figures[PROGRESS.entries]} entries, ${formatBytes(bytes)} read, ${formatBytes(bytes / seconds)}/s`,
        );
      }, INTERVAL_MS);
      timer.unref();
    },
    aside(write) {
      if (timer !== undefined) context.stderr(CLEAR);
      write();
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      context.stderr(CLEAR);
    },
  };
}
