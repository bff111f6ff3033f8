/** Reads a restored folder back, in the shape of what is expected of it. */
import { constants, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Expected, Tree } from '../helpers/handmade-set.ts';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } = constants;
const KINDS = new Map([
  [S_IFREG, 'file'],
  [S_IFDIR, 'dir'],
  [S_IFLNK, 'symlink'],
  [S_IFIFO, 'fifo'],
  [S_IFCHR, 'char'],
  [S_IFBLK, 'block'],
  [S_IFSOCK, 'socket'],
]);

/** Everything below a folder, by path as it was in the source (Latin-1). Hard links get the same `link`. */
export function readTree(folder: string): Tree {
  const tree: Tree = new Map();
  const visit = (path: string) => {
    const place = Buffer.concat([Buffer.from(folder), Buffer.from(path, 'latin1')]);
    const stat = lstatSync(place, { bigint: true });
    const type = KINDS.get(Number(stat.mode) & S_IFMT) ?? 'unknown';
    const entry: Expected = {
      type,
      mode: Number(stat.mode & 0o7777n),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtime: stat.mtimeNs,
    };
    if (type === 'file') entry.content = readFileSync(place);
    if (type === 'symlink') entry.target = readlinkSync(place, { encoding: 'buffer' });
    if (type !== 'dir' && stat.nlink > 1n) entry.link = `inode ${stat.ino}`;
    if (path !== '') tree.set(path, entry);
    if (type === 'dir')
      for (const name of readdirSync(place, { encoding: 'latin1' })) visit(`${path}/${name}`);
  };
  visit('');
  return tree;
}

/**
 * The differences between what was expected and what is there, one a line; none when all is as it was. Folders above the
 * roots, which no manifest lists, are passed over. `owner` false leaves owners out.
 */
export function differences(expected: Tree, found: Tree, owner = true): string[] {
  const lines: string[] = [];
  for (const [path, want] of expected) {
    const have = found.get(path);
    if (have === undefined) lines.push(`${path}: missing`);
    else lines.push(...compareEntries(path, want, have, owner));
  }
  for (const path of found.keys()) {
    const above = [...expected.keys()].some((p) => p.startsWith(`${path}/`));
    if (!expected.has(path) && !above) lines.push(`${path}: not expected`);
  }
  return [...lines, ...compareGroups(expected, found)];
}

function compareEntries(path: string, want: Expected, have: Expected, owner: boolean): string[] {
  const lines: string[] = [];
  const same = (what: string, a: unknown, b: unknown) => {
    if (a !== b) lines.push(`${path}: ${what} is ${b}, expected ${a}`);
  };
  same('type', want.type, have.type);
  if (want.type !== 'symlink') same('mode', want.mode, have.mode);
  same('mtime', want.mtime, have.mtime);
  if (owner) same('owner', `${want.uid}:${want.gid}`, `${have.uid}:${have.gid}`);
  same('content', want.content?.toString('latin1'), have.content?.toString('latin1'));
  same('target', want.target?.toString('latin1'), have.target?.toString('latin1'));
  return lines;
}

function compareGroups(expected: Tree, found: Tree): string[] {
  const groups = (tree: Tree) => {
    const byLink = new Map<string, string[]>();
    for (const path of [...tree.keys()].sort()) {
      const link = tree.get(path)?.link;
      if (link !== undefined) byLink.set(link, [...(byLink.get(link) ?? []), path]);
    }
    return [...byLink.values()].filter((paths) => paths.length > 1).map((paths) => paths.join(' = '));
  };
  const [want, have] = [groups(expected).sort().join('\n'), groups(found).sort().join('\n')];
  return want === have ? [] : [`hard links are ${have}, expected ${want}`];
}
