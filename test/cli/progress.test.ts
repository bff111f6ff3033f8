import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CliContext } from '../../src/cli/context.ts';
import { ProgressLine, startProgress } from '../../src/cli/progress.ts';

const GiB = 1024 ** 3;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What stands on the last line of a terminal after some output. */
function screen(output: string): string {
  return output.split('\r').at(-1)?.replace('\x1b[K', '') ?? '';
}

function line(): { progress: ProgressLine; shown: () => string; written: string[] } {
  const written: string[] = [];
  const progress = new ProgressLine((text) => written.push(text), Date.now);
  return { progress, written, shown: () => screen(written.join('')) };
}

test('phase, files, bytes, rate and time left are shown', () => {
  const { progress, shown } = line();
  progress.phase('restoring');
  progress.total({ files: 83_732, bytes: 2 * GiB });
  for (let second = 0; second < 5; second++) {
    progress.advance({ files: 1000, bytes: GiB / 8 });
    vi.advanceTimersByTime(1000);
  }
  expect(shown()).toBe('restoring, 5000 of 83732 files, 640 MiB of 2.00 GiB, 128 MiB/s, 0:11 left');
  progress.stop();
  expect(shown()).toBe('');
});

test('the line is rewritten five times a second at most, however often something is done', () => {
  const { progress, written } = line();
  progress.phase('restoring');
  const before = written.length;
  for (let i = 0; i < 10_000; i++) {
    progress.advance({ files: 1, bytes: 10 });
    if (i % 10 === 0) vi.advanceTimersByTime(1);
  }
  expect(written.length - before).toBe(5);
  progress.stop();
});

test('before anything is known of the whole, no time left is made up', () => {
  const { progress, shown } = line();
  progress.phase('reading the list of entries');
  vi.advanceTimersByTime(3000);
  expect(shown()).toBe('reading the list of entries');
  progress.advance({ files: 3, bytes: 2048 });
  vi.advanceTimersByTime(400);
  expect(shown()).toMatch(/^reading the list of entries, 3 files, 2\.00 KiB, \d+ B\/s$/);
  progress.stop();
});

test('the line never wraps', () => {
  const { progress, shown } = line();
  progress.phase('x'.repeat(200));
  expect(shown()).toHaveLength(79);
  progress.stop();
});

test('other output gets a line of its own', () => {
  const { progress, written, shown } = line();
  progress.phase('restoring');
  progress.aside(() => written.push('holdfast: /x cannot be made\n'));
  expect(written.join('')).toContain('\r\x1b[Kholdfast: /x cannot be made\n');
  vi.advanceTimersByTime(200);
  expect(shown()).toBe('restoring');
  progress.stop();
});

test('nothing is shown where standard error is no terminal, or JSON was asked for', () => {
  for (const [terminal, json] of [
    [false, false],
    [true, true],
  ] as const) {
    const stderr = vi.fn();
    const isTTY = { stdout: true, stderr: terminal, stdin: true };
    const progress = startProgress({ stderr, isTTY, now: () => new Date() } as unknown as CliContext, {
      json,
    });
    progress.phase('restoring');
    progress.advance({ files: 1 });
    vi.advanceTimersByTime(1000);
    progress.stop();
    expect(stderr).not.toHaveBeenCalled();
  }
});
