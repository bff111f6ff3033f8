/** Gives out the content of one file of a point: entry → volumes → bytes. Fetches only the parts and volumes that it needs. */
import type { Point } from './chain/points.ts';
import type { ParsedSecretKey } from './crypto/open.ts';
import { HoldfastError } from './errors.ts';
import { show } from './format/bytes.ts';
import type { StrategyNames } from './format/names.ts';
import { type PointItem, readPoint } from './manifest/merge.ts';
import { onlyPath } from './manifest/select.ts';
import type { ByteString, Entry } from './model.ts';
import type { Store } from './store/store.ts';
import { ContentDamage, Contents } from './stream/contents.ts';

/** What to give out. */
export interface CatRequest {
  store: Store;
  names: StrategyNames;
  /** Must have no `problem`. */
  point: Point;
  /** How messages name the point. */
  pointName: string;
  /** Must be a recipient's. */
  key: ParsedSecretKey;
  path: ByteString;
  /** Folder for what comes before its time and does not fit into memory. */
  scratch: string;
}

/**
 * Hands the content of a file to `write`, each piece when its digest was found right; returns the entry when the whole was. Errors: `no-path`;
 * `usage`, for what has no content; `damage`, also in the middle; those of the store, of the scratch, and of `write`.
 */
export async function cat(request: CatRequest, write: (piece: Uint8Array) => Promise<void>): Promise<Entry> {
  const { path, pointName } = request;
  const contents = new Contents(request);
  try {
    const entry = await takeIn(request, contents);
    if (entry === undefined) {
      throw new HoldfastError(
        'no-path',
        `${pointName} holds no ${show(path)}: "holdfast find" says in which points it was`,
        { path: show(path) },
      );
    }
    if (entry.type !== 'file') throw new HoldfastError('usage', `${show(path)} ${noContent(entry)}`);
    contents.begin();
    for await (const piece of contents.read(0)) await write(piece);
    return entry;
  } catch (error) {
    if (!(error instanceof ContentDamage)) throw error;
    throw new HoldfastError('damage', `${show(path)} of ${pointName} ${error.message}`, {
      path: show(path),
      ...(error.lost?.object === undefined ? {} : { object: error.lost.object }),
      cause: error,
    });
  } finally {
    await contents.close();
  }
}

async function takeIn(request: CatRequest, contents: Contents): Promise<Entry | undefined> {
  let entry: Entry | undefined;
  const take = (item: PointItem) => {
    if (item.kind === 'more') {
      if (entry?.type === 'file') contents.more(item.extents);
      return;
    }
    entry ??= item.entry;
    if (item.entry.type === 'file') contents.add(item.entry);
  };
  for await (const batch of readPoint(request, request.point, onlyPath(request.path))) batch.forEach(take);
  return entry;
}

function noContent({ type, target }: Entry): string {
  if (type === 'dir')
    return 'is a folder: "holdfast ls" lists it, "holdfast restore --tar" gives it out whole';
  if (type === 'symlink') return `is a symlink to ${show(target ?? '')}: name what it points to`;
  return 'is a special file, which has no content';
}
