/**
 * Verifies a strategy's points against the store: commits → objects → with a key, their content. Each step is a module
 * below verify/; here is their order. Writes nothing to the store.
 */
import type { LoadedCommits, StoredCommit } from './chain/commits.ts';
import type { Point } from './chain/points.ts';
import { isRecipient, parseSecretKey, type SecretKey } from './crypto/secret-key.ts';
import type { StrategyNames } from './format/names.ts';
import type { Store } from './store/store.ts';
import { checkCommits, oddDates } from './verify/commits.ts';
import { checkContent } from './verify/content.ts';
import { type Finding, Findings } from './verify/findings.ts';
import { checkObjects, Patience } from './verify/objects.ts';

export type { Finding } from './verify/findings.ts';

/** What to verify, and how closely. */
export interface VerifyRequest extends Pick<LoadedCommits, 'rejected' | 'faults'> {
  store: Store;
  names: StrategyNames;
  points: readonly Point[];
  /** Reads every object and checks its SHA-256, instead of asking for size and digest. */
  full: boolean;
  /** Opens everything besides, and checks every chunk and every version of a file. */
  secret: SecretKey | undefined;
  /** Folder for what large files need while they are checked; used with `secret` only. */
  scratch: string;
}

/** Who follows a verification. */
export interface VerifyObserver {
  /** As soon as something wrong is found. */
  onFinding(finding: Finding): void;
  /** What is worth knowing and no damage. */
  onNote(text: string): void;
  /** Objects of so many bytes are to be looked at. */
  onBegin(bytes: number): void;
  /** An object of so many bytes was looked at. */
  onObject(bytes: number): void;
}

/** What a verification came to. */
export interface VerifyResult {
  points: number;
  findings: number;
  /** Points that nothing was found to harm. */
  whole: Point[];
  /** Points whose content could not be looked at, since the secret key is none of their recipients'. */
  unopened: Point[];
  objects: number;
  /** Bytes of these objects. */
  bytes: number;
  /** Versions of files whose digests were checked, or would have been but for damage. */
  files: number;
}

/** Verifies; what is wrong is told to the observer. Errors: those of a store that is away; of the scratch. */
export async function verify(request: VerifyRequest, observer: VerifyObserver): Promise<VerifyResult> {
  const { store, names, points, secret } = request;
  const findings = new Findings(names, points, (finding) => observer.onFinding(finding));
  const patience = new Patience();
  const seen = { objects: 0, bytes: 0 };
  const onObject = (bytes: number) => {
    seen.objects++;
    seen.bytes += bytes;
    observer.onObject(bytes);
  };

  checkCommits(points, request.rejected, request.faults, findings);
  for (const note of oddDates(points)) observer.onNote(note);

  observer.onBegin(
    points.flatMap((point) => point.commit.commit.objects).reduce((n, { size }) => n + size, 0),
  );
  const opens = (point: Point) => secret !== undefined && isRecipient(secret, point.commit.commit.recipients);
  const opened = points.filter(opens);
  const others = points.filter((point) => !opens(point));
  let files = 0;
  if (secret !== undefined) {
    const key = await parseSecretKey(secret);
    const { scratch } = request;
    files = await checkContent(opened, { store, names, key, findings, patience, scratch, onObject });
  }
  const depth = request.full || secret !== undefined ? 'full' : 'stat';
  await checkObjects(store, names, others.map(setOf), depth, findings, patience, onObject);

  return {
    points: points.length,
    findings: findings.count,
    whole: findings.whole,
    unopened: secret === undefined ? [] : others,
    objects: seen.objects,
    bytes: seen.bytes,
    files,
  };
}

function setOf(point: Point): StoredCommit {
  return point.commit;
}
