import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { endOf, StopFlag, Stopped } from '../../src/worker/stop.ts';
import { project } from '../helpers/script.ts';

test('a flag that one thread sets ends the work of another, which looks at it', async () => {
  const flag = new StopFlag();
  expect(() => flag.check()).not.toThrow();
  const code = `
    const { workerData, parentPort } = require('node:worker_threads');
    const flag = new Int32Array(workerData);
    parentPort.postMessage('begun');
    while (Atomics.load(flag, 0) === 0);
  `;
  const worker = new Worker(code, { eval: true, workerData: flag.memory });
  const ended = endOf(worker);
  await new Promise((resolve) => worker.once('message', resolve));
  flag.set();
  await ended;
  expect(() => new StopFlag(flag.memory).check()).toThrow(Stopped);
});

test('no thread is terminated: Node aborts when one is in the middle of loading a native module', () => {
  const files = readdirSync(project('src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  expect(files.length).toBeGreaterThan(100);
  const terminating = files.filter((name) =>
    /\.terminate\(/.test(readFileSync(join(project('src'), name), 'utf8')),
  );
  expect(terminating).toEqual([]);
});
