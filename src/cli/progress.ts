/** Progress on a terminal: one line on standard error, rewritten a few times a second: phase, files, bytes, rate, time left. */
import { formatBytes } from '../strategy/size.ts';
import type { CliContext } from './context.ts';

/** Some files and bytes. */
export interface Amount {
  files?: number;
  bytes?: number;
}

/** What a command says of how far it is. */
export interface Progress {
  /** Begins a phase; what was done so far goes on counting. */
  phase(name: string): void;
  /** So much more was done. */
  advance(amount: Amount): void;
  /** So much is to be done in all; unknown until it is said. */
  total(amount: Amount): void;
  /** Lets something else be written: the line is cleared before, and comes back. */
  aside(write: () => void): void;
  /** Clears the line for good. */
  stop(): void;
}

/** At most five times a second. */
const INTERVAL_MS = 200;
const CLEAR = '\r\x1b[K';
/** Rate and time left are those of about the last seconds, so that they follow a change of pace. */
const WINDOW_MS = 10_000;
/** A time left is worth nothing before so much has passed. */
const WARM_UP_MS = 2_000;
/** Longer lines would wrap, and could not be rewritten. */
const WIDTH = 79;

/** Progress that says nothing: where standard error is no terminal, or JSON was asked for. */
export const SILENT: Progress = {
  phase: () => {},
  advance: () => {},
  total: () => {},
  aside: (write) => write(),
  stop: () => {},
};

/** Starts the progress line; a silent one where nobody could read it. */
export function startProgress(context: CliContext, options: { json?: boolean }): Progress {
  if (!context.isTTY.stderr || options.json === true) return SILENT;
  return new ProgressLine(context.stderr, () => context.now().getTime());
}

/** Progress as it is shown. `clock` gives milliseconds. */
export class ProgressLine implements Progress {
  readonly #write: (text: string) => void;
  readonly #clock: () => number;
  readonly #timer: NodeJS.Timeout;
  #phase = '';
  readonly #done = { files: 0, bytes: 0 };
  readonly #total: Amount = {};
  /** How many bytes were done at some moments of the last seconds, the oldest first. */
  #marks: { at: number; bytes: number }[] = [];
  #shown = false;

  constructor(write: (text: string) => void, clock: () => number) {
    this.#write = write;
    this.#clock = clock;
    this.#timer = setInterval(() => this.draw(), INTERVAL_MS);
    this.#timer.unref();
  }

  phase(name: string): void {
    this.#phase = name;
    this.#marks = [];
    this.draw();
  }

  advance({ files = 0, bytes = 0 }: Amount): void {
    this.#done.files += files;
    this.#done.bytes += bytes;
  }

  total({ files, bytes }: Amount): void {
    if (files !== undefined) this.#total.files = files;
    if (bytes !== undefined) this.#total.bytes = bytes;
  }

  aside(write: () => void): void {
    if (this.#shown) this.#write(CLEAR);
    this.#shown = false;
    write();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#shown) this.#write(CLEAR);
    this.#shown = false;
  }

  /** Draws the line as things stand. */
  draw(): void {
    if (this.#phase === '') return;
    const now = this.#clock();
    this.#marks = this.#marks.filter(({ at }) => now - at <= WINDOW_MS);
    this.#marks.push({ at: now, bytes: this.#done.bytes });
    this.#write(`${CLEAR}${this.#line(now).slice(0, WIDTH)}`);
    this.#shown = true;
  }

  #line(now: number): string {
    const { files, bytes } = this.#done;
    const parts = [this.#phase];
    if (files > 0 || this.#total.files !== undefined)
      parts.push(`${outOf(files, this.#total.files, String)} files`);
    if (bytes > 0 || this.#total.bytes !== undefined)
      parts.push(outOf(bytes, this.#total.bytes, formatBytes));
    const [oldest] = this.#marks;
    const passed = oldest === undefined ? 0 : now - oldest.at;
    const rate = oldest === undefined || passed <= 0 ? 0 : ((bytes - oldest.bytes) / passed) * 1000;
    if (rate > 0) {
      parts.push(`${formatBytes(rate)}/s`);
      const left = (this.#total.bytes ?? 0) - bytes;
      if (left > 0 && passed >= WARM_UP_MS) parts.push(`${formatLeft(left / rate)} left`);
    }
    return parts.join(', ');
  }
}

function outOf(done: number, total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
}

/** `4:05` or `1:02:03`. */
function formatLeft(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
