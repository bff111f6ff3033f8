/** What a line of a manifest may be (docs/format.md, sections 5.1 to 5.5), as a schema: what the program's own parser is compared with. */
import { z } from 'zod';

const MOST = Number.MAX_SAFE_INTEGER;
const count = z.int().min(0).max(MOST);
const positive = z.int().min(1).max(MOST);
const id32 = z.int().min(0).max(0xffffffff);
const extents = z
  .array(
    z.union([
      z.tuple([positive, positive, count, positive]),
      z.tuple([positive, positive, count, positive, positive]),
      z.tuple([positive]),
    ]),
  )
  .min(1)
  .max(1000);
const xattrs = z
  .array(
    z.strictObject({
      name: z.string().optional(),
      name64: z.string().optional(),
      value64: z.string().max(87_384),
    }),
  )
  .min(1);
const continues = z.literal(true).optional();
const path = { path: z.string().optional(), path64: z.string().optional() };
const metadata = {
  ...path,
  since: positive,
  mode: z.int().min(0).max(0o7777),
  uid: id32,
  gid: id32,
  user: z.string().max(256).optional(),
  group: z.string().max(256).optional(),
  mtime: z.string().regex(/^(0|-?[1-9]\d{0,29})$/),
  link: z.string().max(64).optional(),
  carried: z.literal(true).optional(),
  torn: z.literal(true).optional(),
  partial: z.literal(true).optional(),
  xattrs: xattrs.optional(),
  continues,
};

export const lineSchema = z.union([
  z.discriminatedUnion('type', [
    z.object({
      ...metadata,
      type: z.literal('file'),
      size: count,
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      extents: extents.optional(),
    }),
    z.object({ ...metadata, type: z.enum(['dir', 'fifo', 'socket']) }),
    z.object({
      ...metadata,
      type: z.literal('symlink'),
      target: z.string().optional(),
      target64: z.string().optional(),
    }),
    z.object({ ...metadata, type: z.enum(['char', 'block']), rdev: z.tuple([count, count]) }),
    z.object({ ...path, type: z.literal('gone'), since: positive }),
  ]),
  z.strictObject({ source: z.string().min(1).max(64) }),
  z.strictObject({ extents, continues }),
  z.strictObject({ xattrs, continues }),
]);
