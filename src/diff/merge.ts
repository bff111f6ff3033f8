/** Two ordered lists of entries against one another: what is only in one of them, and in what the others differ. Pure. */
import { isWithin } from '../format/order.ts';
import { compareKeys } from '../manifest/lines.ts';
import type { Version } from '../manifest/versions.ts';
import type { ByteString } from '../model.ts';

/** One path of a list: what is there, or why nothing can be said of it and of what is below. */
export interface Side {
  source: string;
  path: ByteString;
  version?: Version;
  unknown?: string;
  /** Why not all extended attributes of the version are known: the system's code. */
  attributesError?: string;
}

/** What became of a path. */
export type DifferenceKind = 'added' | 'removed' | 'type' | 'content' | 'metadata' | 'unknown';

/** What can differ between two entries of one type. */
export type Field = 'size' | 'sha256' | 'mtime' | 'mode' | 'uid' | 'gid' | 'target' | 'rdev' | 'xattrs';

/** One path that is not the same in both. */
export interface Difference {
  kind: DifferenceKind;
  source: string;
  path: ByteString;
  from: Version | undefined;
  to: Version | undefined;
  /** In what they differ; empty for what is only in one. For what is unknown: that alone which is, or empty for everything. */
  fields: Field[];
  /** For what is unknown: the system's code, or `partial` where a point does not have it. */
  error?: string;
}

/** Walks through two lists in the order of source and path. What is below something unknown is passed by. */
export async function* differences(
  from: AsyncIterable<Side> | Iterable<Side>,
  to: AsyncIterable<Side> | Iterable<Side>,
): AsyncGenerator<Difference, void> {
  const [a, b] = [new Head(from), new Head(to)];
  try {
    await a.advance();
    await b.advance();
    while (a.now !== undefined || b.now !== undefined) {
      const order = a.now === undefined ? 1 : b.now === undefined ? -1 : compareKeys(a.now, b.now);
      const [left, right] = [order <= 0 ? a.now : undefined, order >= 0 ? b.now : undefined];
      if (right?.unknown !== undefined) {
        yield unknown(right, right.unknown, left?.version);
        while (a.now?.source === right.source && isWithin(a.now.path, right.path)) await a.advance();
        await b.advance();
        continue;
      }
      const found = differenceOf(left, right);
      if (found !== undefined) yield found;
      const doubt = left && right && doubtOf(left, right);
      if (doubt !== undefined) yield doubt;
      if (left !== undefined) await a.advance();
      if (right !== undefined) await b.advance();
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

function unknown({ source, path }: Side, error: string, from: Version | undefined): Difference {
  return { kind: 'unknown', source, path, from, to: undefined, fields: [], error };
}

/** Where extended attributes are missing in what was read of one of them, nothing can be said of them. */
function doubtOf(left: Side, right: Side): Difference | undefined {
  const [from, to] = [left.version, right.version];
  if (from === undefined || to === undefined || from.type !== to.type) return undefined;
  const error = right.attributesError ?? (from.partial || to.partial ? 'partial' : undefined);
  if (error === undefined) return undefined;
  return { kind: 'unknown', source: left.source, path: left.path, from, to, fields: ['xattrs'], error };
}

/** In what two versions of one path differ; undefined where they do not. Without a digest on both sides, times decide about content. */
function differenceOf(left: Side | undefined, right: Side | undefined): Difference | undefined {
  const { source, path } = (left ?? right) as Side;
  const [from, to] = [left?.version, right?.version];
  if (from === undefined || to === undefined) {
    return { kind: from === undefined ? 'added' : 'removed', source, path, from, to, fields: [] };
  }
  if (from.type !== to.type) return { kind: 'type', source, path, from, to, fields: [] };
  const fields = fieldsOf(from, to);
  if (fields.length === 0) return undefined;
  const inContent = fields.some((field) => field === 'size' || field === 'sha256' || field === 'target');
  const byTime = from.type === 'file' && to.sha256 === undefined && fields.includes('mtime');
  return { kind: inContent || byTime ? 'content' : 'metadata', source, path, from, to, fields };
}

function fieldsOf(from: Version, to: Version): Field[] {
  const fields: Field[] = [];
  const add = (field: Field, differs: boolean) => differs && fields.push(field);
  if (from.type === 'file') {
    add('size', from.size !== to.size);
    add('sha256', from.sha256 !== undefined && to.sha256 !== undefined && from.sha256 !== to.sha256);
  }
  add('target', from.target !== to.target);
  add('rdev', from.rdev?.join() !== to.rdev?.join());
  add('mtime', from.mtimeNs !== to.mtimeNs);
  // The mode of a symlink means nothing.
  add('mode', from.type !== 'symlink' && from.mode !== to.mode);
  add('uid', from.uid !== to.uid);
  add('gid', from.gid !== to.gid);
  const areKnown = from.attributes !== undefined && to.attributes !== undefined;
  add('xattrs', areKnown && !from.partial && !to.partial && from.attributes !== to.attributes);
  return fields;
}

/** Where the reading of one list stands. */
class Head {
  readonly #items: AsyncIterator<Side> | Iterator<Side>;
  now: Side | undefined;

  constructor(items: AsyncIterable<Side> | Iterable<Side>) {
    this.#items = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  }

  async advance(): Promise<void> {
    const { value, done } = await this.#items.next();
    this.now = done ? undefined : (value as Side);
  }

  async close(): Promise<void> {
    await this.#items.return?.();
  }
}
