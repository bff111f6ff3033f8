/** Signals that end a run in good order: the run is told, cleans up, and the exit code says which signal it was. */
import process from 'node:process';

const ENDING: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

let last: NodeJS.Signals | undefined;

/** The signal that ended this run, if one did. */
export function lastSignal(): NodeJS.Signals | undefined {
  return last;
}

/**
 * Runs `work` with a signal that aborts when the process is told to end. A second one of the same ends it at once.
 */
export async function withSignals<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (last !== undefined) {
      remove();
      process.kill(process.pid, signal);
      return;
    }
    last = signal;
    controller.abort();
  };
  const remove = () => {
    for (const signal of ENDING) process.removeListener(signal, onSignal);
  };
  for (const signal of ENDING) process.on(signal, onSignal);
  try {
    return await work(controller.signal);
  } finally {
    remove();
  }
}
