/** The measuring is right: whose memory and time counts, what is left running, what an interruption leaves. No time is judged. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../helpers/temporary.ts';
import { CommandFailed, Interrupted, Runner } from './measure.ts';

const MB = 1e6;

async function runner(): Promise<{ runner: Runner; folder: string }> {
  const folder = await temporaryFolder();
  return { runner: new Runner(folder, { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' }), folder };
}

/** A Node that fills so many megabytes, prints the user and system time that it took itself, and stays a while. */
function filling(megabytes: number): string[] {
  const code = `
    const full = Buffer.alloc(${megabytes} * 1e6, 1);
    for (const end = performance.now() + 300; performance.now() < end; );
    const { user, system } = process.cpuUsage();
    console.log((user + system) / 1e6);
    setTimeout(() => full, 500);
  `;
  return [process.execPath, '--eval', code];
}

/** One that has ended may still wait for its parent, or for whoever took its place, to notice. */
function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid.trim()}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('memory and processor time are those that the process itself knows of', async () => {
  const { runner: one } = await runner();
  const { peak, peakOfAll, cpu, seconds, output } = await one.run({ words: filling(200) });
  expect(peak).toBeGreaterThan(200 * MB);
  expect(peak).toBeLessThan(400 * MB);
  expect(peakOfAll).toBe(peak);
  const own = Number(output);
  expect(own).toBeGreaterThan(0);
  // The shell counts in hundredths, of user and system time each.
  expect(cpu).toBeGreaterThan(own - 0.03);
  expect(seconds).toBeGreaterThan(0.8);
});

test('processes that live together are added, one after another they are not', async () => {
  const { runner: one } = await runner();
  const quoted = (megabytes: number) =>
    filling(megabytes)
      .map((word) => `'${word}'`)
      .join(' ');
  const together = await one.run({ words: ['/bin/sh', '-c', `${quoted(150)} & ${quoted(150)}; wait`] });
  expect(together.peak).toBeGreaterThan(300 * MB);
  const apart = await one.run({ words: ['/bin/sh', '-c', `${quoted(150)}; ${quoted(150)}`] });
  expect(apart.peak).toBeGreaterThan(150 * MB);
  expect(apart.peak).toBeLessThan(300 * MB);
  expect(apart.peakOfAll).toBeGreaterThan(300 * MB);
});

test('threads count once', async () => {
  const { runner: one } = await runner();
  const code = `
    const { Worker } = require('node:worker_threads');
    const full = Buffer.alloc(150e6, 1);
    for (let i = 0; i < 3; i++) new Worker('setTimeout(() => {}, 300)', { eval: true });
    setTimeout(() => full, 300);
  `;
  const { peak } = await one.run({ words: [process.execPath, '--eval', code] });
  expect(peak).toBeGreaterThan(150 * MB);
  expect(peak).toBeLessThan(450 * MB);
});

test('what a command leaves running counts, though it left its session, and is ended', async () => {
  const { runner: one, folder } = await runner();
  const pid = join(folder, 'pid');
  // As an agent does: another session, and nobody waits for it.
  const agent = `const full = Buffer.alloc(150e6, 1);
    require('node:fs').writeFileSync(process.argv[1], String(process.pid));
    setInterval(() => full, 1000);`;
  const line = `setsid "$1" --eval "$2" "$3" & while ! [ -s "$3" ]; do sleep 0.05; done; sleep 0.2`;
  const { peak } = await one.run({ words: ['/bin/sh', '-c', line, 'sh', process.execPath, agent, pid] });
  expect(peak).toBeGreaterThan(150 * MB);
  expect(isRunning(readFileSync(pid, 'utf8'))).toBe(false);
});

test('a command that fails is named, with its code and the end of its output', async () => {
  const { runner: one } = await runner();
  const failing = one.run({ words: ['/bin/sh', '-c', 'echo no such thing >&2; exit 7'] });
  await expect(failing).rejects.toThrow(CommandFailed);
  await expect(failing).rejects.toThrow(/ended with 7: no such thing$/);
});

test('after a stop nothing of the command runs, and no other begins', async () => {
  const { runner: one, folder } = await runner();
  const pid = join(folder, 'pid');
  const running = one.run({ words: ['/bin/sh', '-c', `sleep 600 & echo $! > '${pid}'; wait`] });
  running.catch(() => undefined);
  while (!existsSync(pid) || readFileSync(pid, 'utf8') === '') await sleep(10);
  one.stop();
  await expect(running).rejects.toThrow(Interrupted);
  expect(isRunning(readFileSync(pid, 'utf8'))).toBe(false);
  await expect(one.run({ words: ['true'] })).rejects.toThrow(Interrupted);
});
