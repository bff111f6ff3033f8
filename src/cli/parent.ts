/** The program's side of the hand-over from an older Node: it ends with its parent, and tells it which signals came (bin/launch.js). */
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import process from 'node:process';

const PARENT_FD = 'HOLDFAST_PARENT_FD';

/** Those that bin/launch.js forwards. */
const FORWARDED = new Set<string | symbol>([
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
]);

/**
 * To be called first of all. When `env` says that an older Node started this process, ends it by SIGKILL as soon
 * as that one is gone, by kill -9 too: otherwise an orphan would go on and hold the lock. Takes the variable
 * out of `env`, so that no command started from here sees it. Does not keep the process alive. Returns whether it is so.
 */
export function watchParent(env: NodeJS.ProcessEnv): boolean {
  const fd = parentDescriptor(env[PARENT_FD]);
  delete env[PARENT_FD];
  if (fd === undefined) return false;
  const link = new Socket({ fd, readable: true, writable: true });
  const end = () => process.kill(process.pid, 'SIGKILL');
  link.on('end', end);
  link.on('error', end);
  link.on('close', end);
  link.resume();
  link.unref();
  answerSignals((signal) => link.write(`${signal}\n`));
  return true;
}

/** A variable that was set by hand, or leaked from elsewhere, must not end anything. */
function parentDescriptor(text: string | undefined): number | undefined {
  if (text === undefined || !/^[3-9]$/.test(text)) return undefined;
  try {
    return fstatSync(Number(text)).isSocket() ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Calls `answer` for each signal that the program listens to when it comes. Listens only as long as the program
 * does: a listener of ours alone would switch off what the signal does by default.
 */
function answerSignals(answer: (signal: NodeJS.Signals) => void): void {
  const listening = new Set<string | symbol>();
  const listen = (event: string | symbol) => {
    if (!FORWARDED.has(event) || listening.has(event)) return;
    listening.add(event);
    process.on(event, answer);
  };
  process.on('newListener', listen);
  process.on('removeListener', (event: string | symbol) => {
    if (!listening.has(event) || process.listeners(event as NodeJS.Signals).some((l) => l !== answer)) return;
    listening.delete(event);
    process.off(event, answer);
  });
  for (const event of FORWARDED) if (process.listenerCount(event) > 0) listen(event);
}
