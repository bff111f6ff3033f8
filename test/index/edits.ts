/** Random edits of a tree on disk, with names that are hard on whoever writes them down. */
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import fc from 'fast-check';
import { toBytes } from '../../src/format/bytes.ts';
import type { ByteString } from '../../src/model.ts';

const NAMES: ByteString[] = [
  'a',
  'a-b',
  'a.b',
  'b',
  'B',
  '\n',
  '\t',
  '%',
  '%0a',
  '=',
  '\xff',
  '\xc3\xa4',
  ' ',
  '"',
];

const path = fc
  .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'));

/** One edit; paths are relative to the root, without a slash in front. */
export const edit = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('write' as const), path, content: fc.string({ maxLength: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('folder' as const, 'link' as const), path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('chmod' as const, 'touch' as const), path }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('rename' as const, 'hardlink' as const), path, to: path }),
  },
);

export type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** The file-system path of a path below a root. */
export function below(root: string, p: ByteString): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), toBytes(p)]);
}

/** Does an edit, removing what is in the way; one that makes no sense does nothing. */
export function apply(root: string, e: Edit): void {
  const at = (p: ByteString) => below(root, p);
  const there = statOf(at(e.path));
  switch (e.do) {
    case 'remove':
      rmSync(at(e.path), { recursive: true, force: true });
      break;
    case 'chmod':
      if (there !== undefined && !there.isSymbolicLink())
        chmodSync(at(e.path), there.isDirectory() ? 0o711 : 0o640);
      break;
    case 'touch':
      if (there !== undefined && !there.isSymbolicLink()) utimesSync(at(e.path), 1e9, 1e9 + e.path.length);
      break;
    case 'rename':
    case 'hardlink':
      if (there === undefined || `${e.to}/`.startsWith(`${e.path}/`) || `${e.path}/`.startsWith(`${e.to}/`))
        return;
      if (e.do === 'hardlink' && there.isDirectory()) return;
      makeRoom(root, e.to);
      if (statOf(at(e.path)) === undefined) return;
      rmSync(at(e.to), { recursive: true, force: true });
      if (e.do === 'rename') renameSync(at(e.path), at(e.to));
      else linkSync(at(e.path), at(e.to));
      break;
    default: {
      makeRoom(root, e.path);
      const isRewritten = e.do === 'write' && there?.isFile() === true;
      if (!isRewritten) rmSync(at(e.path), { recursive: true, force: true });
      if (e.do === 'write') writeFileSync(at(e.path), e.content);
      else if (e.do === 'folder') mkdirSync(at(e.path));
      else symlinkSync(toBytes(`to/${e.path}`), at(e.path));
    }
  }
}

/** Makes the folders around a path, in the place of whatever else is there. */
function makeRoom(root: string, p: ByteString): void {
  const parts = p.split('/');
  for (let n = 1; n < parts.length; n++) {
    const folder = below(root, parts.slice(0, n).join('/'));
    if (statOf(folder)?.isDirectory() === true) continue;
    rmSync(folder, { force: true });
    mkdirSync(folder);
  }
}

function statOf(p: Buffer): Stats | undefined {
  try {
    return lstatSync(p, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Writes some bytes into a file at a place that a number stands for; the file stays as long as it is. */
export function overwrite(file: string, at: number, bytes: Buffer): void {
  const content = readFileSync(file);
  bytes.copy(content, Math.floor(at * Math.max(0, content.length - bytes.length)));
  writeFileSync(file, content);
}
