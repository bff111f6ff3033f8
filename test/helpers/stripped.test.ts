import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { project } from './script.ts';

/** Which of Node's own modules a thread has loaded that loads a module of the project, as Node lists them. */
async function loadedBy(path: string): Promise<string[]> {
  const code = `
    import { parentPort } from 'node:worker_threads';
    import ${JSON.stringify(pathToFileURL(project(path)))};
    parentPort.postMessage(process.moduleLoadList);
  `;
  // Code that is given with eval begins without what is preloaded.
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const [list] = (await once(worker, 'message')) as [string[]];
  await worker.terminate();
  return list.filter((name) => name.includes('amaro'));
}

test('threads that load sources strip no types; those that load other TypeScript do', async () => {
  expect(await loadedBy('src/backup.ts')).toEqual([]);
  expect(await loadedBy('test/helpers/slow-clock.ts')).not.toEqual([]);
});
