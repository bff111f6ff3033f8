/** A backup as a process of its own, which kills itself in the middle: arguments are the host's folder, the number of a put, and the mode. */
import { join } from 'node:path';
import process from 'node:process';
import { backup } from '../../src/backup.ts';
import { loadRecipient } from '../../src/crypto/recipients.ts';
import { loadSigner } from '../../src/crypto/signer.ts';
import { WriterRecord } from '../../src/state/writer.ts';
import { directoryStore } from '../../src/store/directory.ts';
import { type FaultMode, faultyStore } from '../helpers/faulty-store.ts';

const [, , folder = '', at, mode] = process.argv;
const stateFolder = join(folder, 'state');
const kill = () => {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes at once, but not before this returns.
  for (;;) {}
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
  store: faultyStore(directoryStore(join(folder, 'store')), {
    at: Number(at),
    mode: mode as FaultMode,
    counted: ['put'],
    kill,
  }),
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
