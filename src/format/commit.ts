/** The commit record: encoded by the writer, parsed strictly by readers (docs/format.md, section 6). */
import { z } from 'zod';
import { HoldfastError } from '../errors.ts';
import { MANIFEST_NAME, manifestName, type SetName, VOLUME_NAME, volumeName } from './names.ts';
import { XATTRS_FEATURE } from './xattrs.ts';

export const COMMIT_VERSION = 1;
/** Readers take no larger commit than this, in bytes: some 100,000 volumes. */
export const COMMIT_LIMIT = 64 * 1024 * 1024;
export const SIGNATURE_LIMIT = 64 * 1024;
/** What this version understands. */
const FEATURES: ReadonlySet<string> = new Set([XATTRS_FEATURE]);

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const seq = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const SET_ID = /^[0-9a-f]{32}$/;
const id = z.string().regex(SET_ID);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const md5 = z.string().regex(/^[0-9a-f]{32}$/);
const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const fingerprint = z.string().regex(/^([0-9A-F]{40}|[0-9A-F]{64})$/);
const featureNames = z.array(z.string().regex(/^[\x21-\x7e]{1,64}$/)).max(64);
const reference = z.strictObject({ seq, id, commitSha256: sha256 });
const ranges = z.array(z.tuple([z.int().min(1), z.int().min(1)])).min(1);
const dependencies = z.array(z.strictObject({ seq, id, volumes: ranges }));
type Dependencies = z.infer<typeof dependencies>;

/** As `dependencies`, by hand: each commit of a long chain has hundreds of them, and zod took half of the time that reading it takes. What is wrong with them, zod says. */
function areDependencies(value: unknown): value is Dependencies {
  if (!Array.isArray(value)) return false;
  // Not by every(), which passes over holes.
  for (const each of value) if (!isDependency(each)) return false;
  return true;
}

function isDependency(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 3) return false;
  const { seq, id, volumes } = value as Record<string, unknown>;
  if (!isNumber(seq) || typeof id !== 'string' || !SET_ID.test(id)) return false;
  if (!Array.isArray(volumes) || volumes.length === 0) return false;
  for (const v of volumes)
    if (!Array.isArray(v) || v.length !== 2 || !isNumber(v[0]) || !isNumber(v[1])) return false;
  return true;
}

/** A number of a set, or of a volume: from 1. */
function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

const object = z.strictObject({
  name: z.union([z.string().regex(VOLUME_NAME), z.string().regex(MANIFEST_NAME)]),
  size: count,
  plainSize: count,
  /** There where the set was written to a store that knows objects by it. */
  md5: md5.optional(),
  sha256,
});

const schema = z.strictObject({
  format: z.literal('holdfast-commit'),
  version: z.literal(COMMIT_VERSION),
  features: featureNames,
  strategy: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  seq,
  id,
  type: z.enum(['full', 'incremental']),
  ordinal: count,
  base: count.nullable(),
  parent: reference.nullable(),
  previous: reference.nullable(),
  writer: id,
  succeeds: id.nullable(),
  time,
  finished: time,
  tool: z.string().max(64),
  recipients: z.array(fingerprint).min(1).max(64),
  objects: z.array(object).min(1),
  depends: z.custom<Dependencies>().superRefine((value, { addIssue }) => {
    if (areDependencies(value)) return;
    for (const { path, message } of dependencies.safeParse(value).error?.issues ?? [])
      addIssue({ code: 'custom', path, message });
  }),
  counts: z.strictObject({ entries: count, files: count, bytes: count, listed: count }),
  incomplete: z.strictObject({
    carried: count,
    torn: count,
    unreadable: count,
    /** Entries some of whose attributes are missing: there with the feature `xattrs` only. */
    partial: count.optional(),
  }),
});

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a commit says. */
export type Commit = z.infer<typeof schema>;
/** One object of a set, as its commit lists it. */
export type CommitObject = z.infer<typeof object>;
/** Reference to a commit by its bytes' digest. */
export type CommitReference = z.infer<typeof reference>;

/** The exact bytes of a commit: these are signed and stored. */
export function encodeCommit(commit: Commit): Buffer {
  return Buffer.from(`${JSON.stringify(schema.parse(commit))}\n`, 'utf8');
}

/**
 * Parses a commit for which a trusted signer vouches. `name` is the object's full name, for errors; `expected` the
 * strategy and set that the name stands for. Throws `format-version` for a newer version or an unknown feature,
 * `damage` for anything that is not as specified.
 */
export function parseCommit(
  bytes: Uint8Array,
  name: string,
  expected: SetName & { strategy: string },
): Commit {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw damaged(name, 'is not JSON', cause);
  }
  refuseUnknown(json, name);
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw damaged(name, `is malformed at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? ''}`);
  }
  const commit = result.data;
  const problem = inconsistency(commit, expected);
  if (problem !== undefined) throw damaged(name, problem);
  return commit;
}

/** Comes before all else is judged: what a later version or a feature brings along would look like damage. */
function refuseUnknown(json: unknown, name: string): void {
  if (typeof json !== 'object' || json === null) return;
  const { format, version, features } = json as { format?: unknown; version?: unknown; features?: unknown };
  if (format !== 'holdfast-commit') return;
  if (typeof version === 'number' && version !== COMMIT_VERSION) {
    throw new HoldfastError(
      'format-version',
      `${name} is of format version ${version}, this Holdfast reads version ${COMMIT_VERSION}: use a newer Holdfast`,
      { object: name },
    );
  }
  const unknown = featureNames.safeParse(features).data?.filter((feature) => !FEATURES.has(feature)) ?? [];
  if (unknown.length > 0) {
    throw new HoldfastError(
      'format-version',
      `${name} needs features that this version of Holdfast does not know (${unknown.join(', ')}): use a newer Holdfast`,
      { object: name },
    );
  }
}

function damaged(name: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${name} ${what}, although a trusted signer vouches for it: report this`,
    {
      object: name,
      cause,
    },
  );
}

function inconsistency(commit: Commit, expected: SetName & { strategy: string }): string | undefined {
  if (commit.strategy !== expected.strategy) return `belongs to the strategy ${commit.strategy}`;
  if (commit.seq !== expected.seq || commit.id !== expected.id)
    return 'names another set than its own name does';
  if (new Set(commit.features).size !== commit.features.length) return 'names a feature twice';
  if (commit.features.includes(XATTRS_FEATURE) !== (commit.incomplete.partial !== undefined))
    return 'counts entries with missing attributes where it must not, or does not where it must';
  if (commit.type === 'full') {
    if (commit.ordinal !== 0 || commit.base !== null || commit.parent !== null || commit.depends.length > 0) {
      return 'is a full that builds on another set';
    }
    if (commit.previous !== null && commit.previous.seq >= commit.seq) {
      return 'has a previous set that is not older';
    }
  } else {
    if (commit.parent === null || commit.ordinal < 1) return 'is an incremental without a parent';
    if (commit.parent.seq >= commit.seq) return 'has a parent that is not older';
    if (commit.base !== baseOf(commit.ordinal)) return 'has the wrong base';
    if (commit.previous !== null) return 'has a parent and a previous set';
  }
  let last = 0;
  for (const { seq, volumes } of commit.depends) {
    if (seq <= last || seq >= commit.seq) return 'lists what it depends on out of order';
    last = seq;
    let end = 0;
    for (const [from, to] of volumes) {
      if (from <= end || to < from) return `lists volumes of set ${seq} out of order`;
      end = to;
    }
  }
  return objectsOutOfOrder(commit.objects);
}

function objectsOutOfOrder(objects: readonly CommitObject[]): string | undefined {
  const volumes = objects.findIndex((o) => o.name.startsWith('manifest-'));
  if (volumes < 0) return 'lists no manifest';
  for (const [i, o] of objects.entries()) {
    const due = i < volumes ? volumeName(i + 1) : manifestName(i - volumes);
    if (o.name !== due) return `lists ${o.name} where ${due} is due`;
  }
  return undefined;
}

/** The base of ordinal n: the newest manifest before n that point n is read with; null for a full. */
export function baseOf(ordinal: number): number | null {
  return ordinal === 0 ? null : ordinal & (ordinal - 1);
}

/** The volumes of a set, in order. */
export function volumesOf(commit: Commit): CommitObject[] {
  return commit.objects.filter((o) => o.name.startsWith('vol-'));
}

/** The manifest objects of a set, the contents list first. */
export function manifestsOf(commit: Commit): CommitObject[] {
  return commit.objects.filter((o) => o.name.startsWith('manifest-'));
}
