/**
 * A backup as a process of its own, which kills itself in the middle: arguments are the host's folder, the number of
 * a put, and whether that is `before` it or `after` it.
 */
import { join } from 'node:path';
import process from 'node:process';
import { backup } from '../../src/backup.ts';
import { loadRecipient } from '../../src/crypto/recipients.ts';
import { loadSigner } from '../../src/crypto/signer.ts';
import { WriterRecord } from '../../src/state/writer.ts';
import { directoryStore } from '../../src/store/directory.ts';
import type { Store } from '../../src/store/store.ts';

const [, , folder = '', at, mode] = process.argv;
const stateFolder = join(folder, 'state');
const kill = () => {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at once, but not before this returns.
  for (;;) {}
};

let puts = 0;
const inner = directoryStore(join(folder, 'store'));
const store: Store = {
  label: inner.label,
  uploads: inner.uploads,
  knowsMd5: inner.knowsMd5,
  listingsMayLie: inner.listingsMayLie,
  check: () => inner.check(),
  prepare: () => inner.prepare(),
  get: (name, limit) => inner.get(name, limit),
  stat: (name) => inner.stat(name),
  list: (prefix) => inner.list(prefix),
  remove: (names) => inner.remove(names),
  close: () => inner.close(),
  async put(name, body, options) {
    const isTheOne = ++puts === Number(at);
    if (isTheOne && mode === 'before') kill();
    await inner.put(name, body, options);
    if (isTheOne) kill();
  },
};

await backup({
  strategy: {
    file: join(folder, 'holdfast.yaml'),
    name: 'town',
    sources: [{ kind: 'paths', name: 'www', paths: [join(folder, 'root')], exclude: [], allowEmpty: false }],
    store: { kind: 'directory', directory: join(folder, 'store'), prefix: '' },
    recipients: [join(folder, 'it.asc')],
    schedule: { full: { kind: 'never' } },
    signer: [],
    volume: { size: 1 << 20, compression: 3 },
    positions: new Map(),
  },
  store,
  stateFolder,
  writer: await WriterRecord.open(stateFolder),
  signer: await loadSigner(join(folder, 'signer.asc')),
  recipients: [await loadRecipient(join(folder, 'it.asc'), new Date())],
  requested: 'auto',
  keepAccessTime: true,
  own: [],
  tool: 'holdfast test',
  now: () => new Date(),
  signal: new AbortController().signal,
  onWarning: (text) => process.stderr.write(`${text}\n`),
  onEvent: () => {},
  onPlan: () => {},
  onProgress: () => {},
});
