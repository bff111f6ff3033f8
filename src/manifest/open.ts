/** Gets manifest objects out of the store: checked against the commit, decrypted, decompressed; reads no line of them. */
import { promisify } from 'node:util';
import { constants, zstdDecompress } from 'node:zlib';
import type { StoredCommit } from '../chain/commits.ts';
import { decrypt } from '../crypto/decrypt.ts';
import type { ParsedSecretKey } from '../crypto/secret-key.ts';
import { openSessionKey } from '../crypto/session-key.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import { type CommitObject, manifestsOf } from '../format/commit.ts';
import { WINDOW_LOG } from '../format/limits.ts';
import { type Contents, PART_LIMIT } from '../format/manifest.ts';
import { MalformedManifest, parseContents } from '../format/manifest-parser.ts';
import type { StrategyNames } from '../format/names.ts';
import { fetchObject } from '../store/fetch-object.ts';
import type { Store } from '../store/store.ts';
import { framesOf, MalformedFrame } from '../volume/frame.ts';

/** What reading manifests takes. */
export interface ManifestReader {
  store: Store;
  names: StrategyNames;
  key: ParsedSecretKey;
  /** Told of each object that was fetched: its full name, and its bytes. */
  onFetch?(name: string, size: number): void;
}

/** What a sealed part may have beyond its plaintext, in bytes: session keys for 64 recipients, and packet headers. */
const SEAL_LIMIT = 1024 * 1024;

const decompress = promisify(zstdDecompress);

/** The contents list of a set's manifest, found to belong to that set. Errors: as fetchPart and openPart. */
export async function openContents(reader: ManifestReader, set: StoredCommit): Promise<Contents> {
  const [object, ...parts] = manifestsOf(set.commit);
  if (object === undefined)
    throw new Error(`set ${set.commit.seq} has no manifest, which parseCommit refuses`);
  const sealed = await fetchPart(reader, set, object);
  const bytes = await openPart(reader, sealed);
  const { name } = sealed;
  const contents = understood(name, () => parseContents(bytes));
  const { strategy, seq, id } = contents;
  if (strategy !== set.commit.strategy || seq !== set.commit.seq || id !== set.commit.id) {
    throw malformed(name, 'belongs to another set');
  }
  if (contents.parts.length !== parts.length) {
    throw malformed(name, `lists ${contents.parts.length} parts where the commit lists ${parts.length}`);
  }
  return contents;
}

/** A manifest object as it lies in the store, found to be the one that its commit lists. */
export interface SealedPart {
  /** The object's full name. */
  name: string;
  object: CommitObject;
  bytes: Uint8Array;
}

/**
 * Fetches one manifest object and checks its size and SHA-256. Errors: `damage`, naming the object; those of the store.
 */
export async function fetchPart(
  reader: ManifestReader,
  set: StoredCommit,
  object: CommitObject,
): Promise<SealedPart> {
  const name = reader.names.object(set.commit, object.name);
  if (object.plainSize > PART_LIMIT || object.size > PART_LIMIT + SEAL_LIMIT) {
    throw malformed(name, `has more than the ${PART_LIMIT} bytes that a part may have`);
  }
  const bytes = await fetchObject(reader.store, name, object);
  reader.onFetch?.(name, bytes.length);
  return { name, object, bytes };
}

/**
 * The plaintext of a manifest object; never more of it than its commit states comes into being. Errors: `damage`,
 * naming the object; `key`, when it is for other keys.
 */
export async function openPart(reader: ManifestReader, { name, object, bytes }: SealedPart): Promise<Buffer> {
  const sessionKey = await openSessionKey(bytes, reader.key, name);
  const plain: Buffer[] = [];
  let left = object.plainSize;
  try {
    for (const frame of framesOf(decrypt(bytes, sessionKey, { object: name }))) {
      const content = await unpack(name, Buffer.concat([...frame.pieces]), left, object.plainSize);
      left -= content.length;
      plain.push(content);
    }
  } catch (error) {
    if (error instanceof MalformedFrame) throw damaged(name, `cannot be unpacked: ${error.message}`, error);
    throw error;
  }
  const whole = plain.length === 1 ? (plain[0] as Buffer) : Buffer.concat(plain);
  if (left === 0) return whole;
  throw damaged(name, `unpacks to ${whole.length} bytes where its commit says ${object.plainSize}`);
}

/** What `parse` makes of an object's bytes; what it finds malformed becomes an error that names the object. */
export function understood<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MalformedManifest) throw malformed(name, error.message, error);
    throw error;
  }
}

/** The error `damage` for an object that is the one that was signed, but is not as the format has it. */
export function malformed(name: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${name} is malformed, although its digest is right: ${problem}; please report this`,
    { object: name, cause },
  );
}

/** The content of a frame, which may be `left` bytes at most of the `plainSize` that the object has. */
async function unpack(name: string, frame: Buffer, left: number, plainSize: number): Promise<Buffer> {
  try {
    return await decompress(frame, {
      chunkSize: Math.max(left, 1024),
      maxOutputLength: Math.max(left, 1),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
    });
  } catch (error) {
    const problem =
      systemCode(error) === 'ERR_BUFFER_TOO_LARGE'
        ? `unpacks to more than the ${plainSize} bytes that its commit says`
        : `cannot be unpacked (${error instanceof Error ? error.message : 'error'})`;
    throw damaged(name, problem, error);
  }
}

function damaged(name: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${name} ${problem}: it is damaged; run holdfast verify to see which points it harms`,
    { object: name, cause },
  );
}
