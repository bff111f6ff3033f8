/** The index header: what the index is about, which files belong to it, and what its chain is made of. Written last, atomically. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { CUTTER_VERSION } from '../chunk/cut.ts';
import { systemCode } from '../errors.ts';

/** Changes whenever an older index cannot be read any more: it then costs a full. */
export const INDEX_VERSION = 3;

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const id = z.string().regex(/^[0-9a-f]{32}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const set = z.strictObject({
  seq: count,
  id,
  commitSha256: sha256,
  time: z.string(),
  /** Volumes in order: size of the object, size of its content, and bytes of its chunks that the point uses. */
  volumes: z.array(z.tuple([count, count, count])),
  /** Sizes of the manifest objects in order, the contents list first. */
  manifests: z.array(count),
});

const schema = z.strictObject({
  version: z.literal(INDEX_VERSION),
  cutter: z.literal(CUTTER_VERSION),
  strategy: z.string(),
  signer: z.string(),
  writer: id,
  recipients: z.array(z.string()),
  /** The sets of the chain by ordinal; the last one is the point that the index describes. */
  sets: z.array(set).min(1),
  entries: z.strictObject({ file: z.string().regex(/^entries-[0-9a-f]{32}$/), sha256, live: count }),
  logs: z.strictObject({
    base: z.string().regex(/^chain-[0-9a-f]{32}$/),
    segments: count,
    extents: count,
    blocks: count,
    /** What the digests of blocks are made with: see chunk/block-digest.ts. */
    blockSecret: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});

export type IndexHeader = z.infer<typeof schema>;
export type IndexSet = z.infer<typeof set>;

/** The bytes of a header: JSON on one line, then its SHA-256 on another. */
export function encodeHeader(header: IndexHeader): Buffer {
  const json = JSON.stringify(schema.parse(header));
  return Buffer.from(`${json}\n${createHash('sha256').update(json).digest('hex')}\n`);
}

/**
 * Reads a header. `absent` when there is none; otherwise, when it cannot be used, why: the caller says so and
 * makes a full.
 */
export function readHeader(file: string): IndexHeader | 'absent' | { unusable: string } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return systemCode(error) === 'ENOENT'
      ? 'absent'
      : { unusable: `it cannot be read (${systemCode(error)})` };
  }
  const [json = '', digest] = text.split('\n');
  if (createHash('sha256').update(json).digest('hex') !== digest) return { unusable: 'it is corrupt' };
  const result = schema.safeParse(JSON.parse(json));
  if (!result.success) return { unusable: 'it was made by another version of Holdfast' };
  return result.data;
}

/** The set that the index describes. */
export function newestSet(header: IndexHeader): IndexSet {
  return header.sets[header.sets.length - 1] as IndexSet;
}
