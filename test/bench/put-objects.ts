/** Run as a process: puts every file of a folder into a container of Swift through the store, as many at once as a strategy does by default. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { openSwift } from '../../src/store/swift/open.ts';

const [, , folder = '', container = ''] = process.argv;
const uploads = 4;
const { store } = await openSwift(
  { kind: 'swift', container, prefix: '', uploads, deadline: 60_000 },
  {
    env: process.env,
    cwd: '/',
    home: '/nonexistent',
    throttle: undefined,
    onRetry: (line) => process.stderr.write(`${line}\n`),
  },
);
await store.prepare();
const names = readdirSync(folder).values();
await Promise.all(
  Array.from({ length: uploads }, async () => {
    // One place for all objects that pass here, as a backup has it.
    const place = Buffer.allocUnsafeSlow(64 << 20);
    for (const name of names) {
      const fd = openSync(join(folder, name), 'r');
      const body = place.subarray(0, fstatSync(fd).size);
      readSync(fd, body);
      closeSync(fd);
      await store.put(name, [body], { md5: createHash('md5').update(body).digest('hex') });
    }
  }),
);
await store.close();
