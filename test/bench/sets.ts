/** The data that is backed up: makes each set in a folder. What is done with it is not said here. */
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { database } from '../demo/database.ts';
import { gather } from '../demo/gather.ts';
import type { Runner } from './measure.ts';
import { LineStream, randomStream } from './random.ts';
import type { Work } from './works.ts';

/** A set that this machine cannot make, in one line. */
export class Unavailable extends Error {}

/** What making a set takes. */
export interface Making {
  /** The folder to fill, which is there and empty. */
  folder: string;
  /** 1 for the whole size. */
  scale: number;
  runner: Runner;
}

/** A data set. */
export interface DataSet {
  name: string;
  what: string;
  /** Bytes on disk at the whole size, roughly. */
  room: number;
  works: readonly Work[];
  /** Whether it is backed up into Swift besides. */
  swift: boolean;
  /** Whether it is there without being asked for. */
  byDefault: boolean;
  /** Package of Debian that it is made from, and a file that the package brings. */
  package?: string;
  shownBy?: string;
  make(making: Making): Promise<void>;
  /** Puts it back into the state before `change`; for sets with the work "incremental". */
  reset?(making: Making): Promise<void>;
  change?(making: Making): Promise<void>;
}

const KERNEL = '/usr/src/linux-source-6.1.tar.xz';
/** Where libraries and JVMs lie on Debian. */
const LIBRARIES = ['/usr/lib/jvm', `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`];
const MILLION = 1_000_000;
const ROWS = 1_000_000;
const CHANGED_ROWS = 2000;
const BIG = 4e9;
const EVERYTHING: readonly Work[] = [
  ...(['full', 'unchanged', 'restore', 'restore one file'] as const),
  ...(['verify without key', 'verify with key'] as const),
];

const kernel: DataSet = {
  name: 'kernel',
  what: 'the source tree of Linux 6.1 (Debian package linux-source-6.1); on a smaller scale the folders fs, kernel, mm and net',
  room: 1.6e9,
  works: EVERYTHING,
  swift: true,
  byDefault: true,
  package: 'linux-source-6.1',
  shownBy: KERNEL,
  async make({ folder, scale, runner }) {
    if (!existsSync(KERNEL))
      throw new Unavailable(`${KERNEL} is not there: install the package linux-source-6.1`);
    const names = scale === 1 ? [] : scale < 0.02 ? ['mm', 'init'] : ['fs', 'kernel', 'mm', 'net'];
    await runner.run({
      words: ['tar', '-xf', KERNEL, '-C', folder, ...names.map((name) => `linux-source-6.1/${name}`)],
    });
  },
};

const libraries: DataSet = {
  name: 'libraries',
  what: `a copy of this machine's ${LIBRARIES.join(' and ')}`,
  room: 2e9,
  works: EVERYTHING,
  swift: true,
  byDefault: true,
  async make({ folder, scale }) {
    const there = LIBRARIES.filter((from) => existsSync(from));
    if (there.length === 0) throw new Unavailable(`${LIBRARIES.join(' and ')} are not there`);
    for (const from of there) gather(folder, 1e9 * scale, '', from);
  },
};

/** Files of a million or of a part of it: parts show what grows with the number of entries. */
function smallFilesSet(name: string, part: number): DataSet {
  return {
    name,
    what: `${(MILLION / part).toLocaleString('en')} generated files of 0.1 to 1.4 kB of text, half of it random, 1,000 in a folder`,
    room: 5e9 / part,
    works: ['full', 'unchanged', 'restore'],
    swift: false,
    byDefault: part === 1,
    async make({ folder, scale, runner }) {
      await smallFiles(folder, Math.ceil((MILLION * scale) / part), runner);
    },
  };
}

const sqlite: DataSet = {
  name: 'sqlite',
  what: 'a SQLite file of 1,000,000 rows, of which 2,000 all over it are updated before the incremental',
  room: 1e9,
  works: ['full', 'incremental', 'restore'],
  swift: true,
  byDefault: true,
  async make(making) {
    const { folder, scale } = making;
    const db = await database();
    if (db.kind !== 'SQLite database') throw new Unavailable(db.kind);
    db.make(join(folder, 'orders.db'), Math.ceil(ROWS * scale));
    await making.runner.run({ words: ['cp', join(folder, 'orders.db'), before(making)] });
  },
  // The file stays the same inode, as that of a database does.
  async reset(making) {
    await making.runner.run({ words: ['cp', before(making), join(making.folder, 'orders.db')] });
  },
  async change({ folder, scale }) {
    const rows = Math.ceil(ROWS * scale);
    const changed = Math.ceil(CHANGED_ROWS * scale);
    const spread = randomStream('rows');
    const picked = Array.from({ length: changed }, () => 1 + (spread(4).readUInt32LE() % rows));
    (await database()).update(join(folder, 'orders.db'), picked);
  },
};

/** The state of the database before the change: beside the source. */
function before({ folder }: Making): string {
  return `${folder}.before.db`;
}

const big: DataSet = {
  name: 'big',
  what: 'one file of 4 GB of random bytes',
  room: BIG,
  works: ['full', 'restore', 'verify without key', 'verify with key'],
  swift: true,
  byDefault: true,
  async make({ folder, scale, runner }) {
    const random = randomStream('big');
    const fd = openSync(join(folder, 'random'), 'w');
    for (let left = Math.ceil(BIG * scale); left > 0; left -= 1 << 20) {
      await runner.pause();
      writeSync(fd, random(Math.min(left, 1 << 20)));
    }
    closeSync(fd);
  },
};

/** All sets, in the order in which they are measured. */
export const SETS: readonly DataSet[] = [
  kernel,
  libraries,
  smallFilesSet('million', 1),
  smallFilesSet('half-million', 2),
  smallFilesSet('quarter-million', 4),
  sqlite,
  big,
];

/** Writes files of 100 to 1,400 bytes, 1,000 in a folder. */
async function smallFiles(folder: string, count: number, runner: Runner): Promise<void> {
  const text = new LineStream('small files');
  for (let i = 0; i < count; i++) {
    const inside = join(folder, String(Math.floor(i / 1000)).padStart(4, '0'));
    if (i % 1000 === 0) {
      await runner.pause();
      mkdirSync(inside, { recursive: true });
    }
    const fd = openSync(join(inside, `record-${i}.txt`), 'w');
    writeSync(fd, text.next(100 + (text.number() % 1301)));
    closeSync(fd);
  }
}
