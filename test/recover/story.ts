/** A chain of points made by hand that has in it whatever a point can have, and every kind of change. */
import type { HandmadeSet, HandmadeStore, Tree } from '../helpers/handmade-set.ts';

export const ROOT = process.getuid?.() === 0;
/** An owner that can be set: somebody else's only by root. */
export const OWNER = ROOT
  ? { uid: 1234, gid: 4321 }
  : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

const NO_UTF8 = Buffer.from('/srv/www/caf\xe9 \xff', 'latin1');

/** A full with one of everything. */
function everything(set: HandmadeSet): void {
  const at = (ns: bigint) => ({ ...OWNER, mtime: ns });
  set.source = 'etc';
  set.dir('/etc/nginx', at(5n));
  set.file('/etc/nginx/nginx.conf', [set.chunk('events {}\n')], {
    ...at(1_234_567_890_000_000_001n),
    mode: 0o600,
  });
  set.source = 'www';
  set.dir('/srv/www', { ...OWNER, mode: 0o2775, mtime: 1_600_000_000_999_999_999n });
  set.file('/srv/www/empty', [], at(0n));
  set.file('/srv/www/index.html', [set.chunk('<h1>Hello</h1>')], {
    ...at(-1_000_000_001n),
    user: 'www-data',
  });
  const [head, middle, tail] = [
    set.chunk('head '.repeat(900)),
    set.chunk('middle'),
    set.chunk('tail'.repeat(300)),
  ];
  set.file('/srv/www/three-chunks', [head, middle, tail], { ...OWNER, mode: 0o4755 });
  set.file('/srv/www/twice', [middle, middle, { of: head, offset: 3, length: 7 }], OWNER);
  set.nextVolume();
  set.file('/srv/www/holes', [{ hole: 100_000 }, set.chunk('island'), { hole: 1 }], OWNER);
  set.file('/srv/www/only-hole', [{ hole: 70_000 }], OWNER);
  set.file(NO_UTF8, [set.chunk('bytes that are no UTF-8')], OWNER);
  set.file('/srv/www/line\nbreak \x1b[31m"quoted" \\', [middle], OWNER);
  // The order of paths is that of their components: '/' sorts before every other byte.
  set.dir('/srv/www/a', OWNER);
  set.file('/srv/www/a/x', [set.chunk('x')], OWNER);
  set.file('/srv/www/a-b', [set.chunk('a-b')], OWNER);
  set.file('/srv/www/a\x01', [set.chunk('a1')], OWNER);
  set.dir('/srv/www/locked', { ...OWNER, mode: 0o555, mtime: 7n });
  set.dir('/srv/www/locked/inner', { ...OWNER, mode: 0o000, mtime: 8n });
  set.file('/srv/www/locked/inner/secret', [set.chunk('secret')], { ...OWNER, mode: 0o000 });
  const shared = set.chunk('shared by two names');
  for (const name of ['hard-1', 'z-hard-2']) set.file(`/srv/www/${name}`, [shared], { ...OWNER, link: 'i7' });
  set.file('/srv/www/same-content', [shared], OWNER);
  set.symlink('/srv/www/up', '../../etc', at(9n));
  set.symlink('/srv/www/dangling', Buffer.from('/nowhere/\xe9', 'latin1'), at(10n));
  set.fifo('/srv/www/pipe', { ...OWNER, mode: 0o620 });
  const dust = Array.from({ length: 2500 }, (_, i) => set.chunk(Buffer.from(`${i};`)));
  set.file('/srv/www/many-extents', dust, OWNER);
}

/** What each later set of the story changes. */
const CHANGES: ((set: HandmadeSet) => void)[] = [
  (set) => {
    set.file('/srv/www/index.html', [set.chunk('<h1>Hello again</h1>')], OWNER);
    set.gone('/srv/www/empty');
    // A folder becomes a file, a file a folder, a link a file.
    set.file('/srv/www/a', [set.chunk('now a file')], OWNER);
    set.gone('/srv/www/a/x');
    set.dir('/srv/www/a-b', OWNER);
    set.file('/srv/www/a-b/inside', [set.chunk('inside')], OWNER);
    set.file('/srv/www/up', [set.chunk('no link any more')], OWNER);
  },
  (set) => {
    set.symlink('/srv/www/a', 'a-b', OWNER);
    set.file('/srv/www/a-b/inside', [set.chunk('inside, changed')], { ...OWNER, carried: true });
    set.gone(NO_UTF8);
  },
  (set) => {
    set.file('/srv/www/empty', [], { ...OWNER, torn: true });
    set.gone('/srv/www/z-hard-2');
    set.file('/srv/www/hard-1', [set.chunk('single again')], OWNER);
  },
  (set) => {
    set.gone('/srv/www/a-b');
    set.gone('/srv/www/a-b/inside');
    set.file('/srv/www/added', [set.chunk('added'), set.chunk('!')], OWNER);
  },
  () => {},
  (set) => {
    set.source = 'etc';
    set.file('/etc/nginx/nginx.conf', [set.chunk('http {}\n')], OWNER);
    set.source = 'www';
    set.gone('/srv/www/added');
  },
  (set) => set.file('/srv/www/added', [set.chunk('added once more')], OWNER),
];

/** Tells it in an empty store: a full and seven incrementals. What existed at each point. */
export function tellStory(store: HandmadeStore): Tree[] {
  const full = store.begin('full');
  everything(full);
  const base = full.chunk(Buffer.alloc(50_000, 'base '));
  full.file('/srv/www/patched', [base], OWNER);
  const trees = [full.commit()];
  for (const [i, change] of CHANGES.entries()) {
    const set = store.begin('incremental');
    change(set);
    // One block of a large file changes each time; the others stay where the full has them.
    const patch = set.chunk(`patch ${i}`);
    const after = { of: base, offset: 1000 + patch.bytes.length, length: 49_000 - patch.bytes.length };
    set.file('/srv/www/patched', [{ of: base, offset: 0, length: 1000 }, patch, after], OWNER);
    trees.push(set.commit());
  }
  return trees;
}
