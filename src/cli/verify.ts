/** `holdfast verify`: checks the points of a strategy against the store, and says what is damaged and what that harms. */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Point } from '../chain/points.ts';
import { isRecipient, type SecretKey } from '../crypto/secret-key.ts';
import { HoldfastError } from '../errors.ts';
import { formatBytes } from '../strategy/size.ts';
import { type Finding, type VerifyObserver, type VerifyResult, verify } from '../verify.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { pathKeys } from './path-json.ts';
import { type Progress, startProgress } from './progress.ts';
import { describePoint, noPoints, openReading, type Reading, secretKey } from './reading.ts';
import { addKeyOptions, addReadingOptions, type KeyOptions, type ReadingOptions } from './reading-options.ts';

interface Options extends ReadingOptions, KeyOptions {
  full?: true;
  scratch?: string;
  json?: true;
}

/** Advice that an error gives to whoever meets it elsewhere: to run what is running here. */
const ADVICE = /: it is damaged.*$|; run holdfast verify.*$/;

/** The command. */
export function verifyCommand(context: CliContext): Command {
  const command = new Command('verify')
    .description('check every point against the store')
    .option('--full', 'read every object and check its SHA-256')
    .option('--scratch <dir>', 'folder for what large files need while they are checked with a key', tmpdir())
    .option('--json', 'print JSON lines, ending with a summary')
    .addHelpText(
      'after',
      `
Without a secret key: signatures, parents, and whether every object is there with its size and digest, as the store knows it (a
directory is read for that). With --full: the SHA-256 of every object. With --secret-key: everything besides, decrypted and unpacked, every
chunk and every version of a file by its digest. Writes nothing to the store; the scratch is encrypted and has no name.

Ends with 0 when nothing is wrong, with 4 when something is damaged (each thing is named, with the points that it harms), with 3 when
the secret key given does not open all points, with 10 when there are none.

Examples:
  holdfast verify
  holdfast verify --store directory:/mnt/backups --name townhall-web --secret-key secret.asc
`,
    );
  addReadingOptions(command);
  return addKeyOptions(command).action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  const reading = await openReading(options, context, 'each');
  const report = new Report(options, context);
  reading.retries.heard = (line) => report.retry(line);
  try {
    if (reading.points.length + reading.rejected.length === 0) throw await noPoints(reading);
    const secret = await secretKey(options, context);
    if (secret !== undefined) refuseUseless(secret, reading);
    const full = options.full === true;
    const scratch = resolve(context.cwd, options.scratch ?? tmpdir());
    const result = await verify({ ...reading, full, secret, scratch }, report);
    report.stop();
    report.end(result, reading);
    if (result.findings > 0) context.exitCode = EXIT.damage;
    else if (result.unopened.length > 0) context.exitCode = EXIT.incomplete;
  } finally {
    report.stop();
    await reading.store.close();
  }
}

/** Before anything is fetched: a key that opens nothing was meant for something else. */
function refuseUseless(secret: SecretKey, { points }: Reading): void {
  if (points.length === 0 || points.some(({ commit }) => isRecipient(secret, commit.commit.recipients)))
    return;
  const recipients = [...new Set(points.flatMap(({ commit }) => commit.commit.recipients))];
  throw new HoldfastError(
    'key',
    `the secret key given, ${secret.fingerprint} (${secret.userId}), opens none of the points, which are encrypted for ${recipients.join(', ')}: give the secret key of one of these`,
  );
}

/** Says what is found, as lines for people or as JSON. */
class Report implements VerifyObserver {
  readonly #options: Options;
  readonly #context: CliContext;
  readonly #started = performance.now();
  readonly #progress: Progress;

  constructor(options: Options, context: CliContext) {
    this.#options = options;
    this.#context = context;
    this.#progress = startProgress(context, options);
  }

  onFinding(finding: Finding): void {
    const { object, path, points } = finding;
    const problem = finding.problem.replace(ADVICE, '');
    if (this.#options.json) {
      const paths = path === undefined ? {} : pathKeys(path);
      this.#json({ event: 'damage', object, ...paths, problem, points });
    } else {
      this.#say(`damage: ${problem}${points.length === 0 ? '' : `; harms ${listSeqs(points)}`}\n`);
    }
  }

  onNote(text: string): void {
    if (this.#options.json) this.#json({ event: 'note', message: text });
    else this.#aside(`note: ${text}: a clock was wrong\n`);
  }

  /** The store's troubles that are being got over. */
  retry(line: string): void {
    this.#aside(`holdfast: ${line}\n`);
  }

  onBegin(bytes: number): void {
    this.#progress.total({ bytes });
    this.#progress.phase('verifying');
  }

  onObject(bytes: number): void {
    this.#progress.advance({ bytes });
  }

  stop(): void {
    this.#progress.stop();
  }

  end(result: VerifyResult, reading: Reading): void {
    const { points, findings, whole, unopened, objects, bytes, files } = result;
    const newest = whole.at(-1);
    if (this.#options.json) {
      this.#json({
        event: 'summary',
        ok: findings === 0 && unopened.length === 0,
        points,
        whole: whole.length,
        newestWhole:
          newest === undefined ? null : { seq: newest.seq, id: newest.id, time: newest.time.toISOString() },
        notOpened: unopened.map(({ seq }) => seq),
        findings,
        objects,
        bytes,
        files,
        signers: reading.trusted,
        seconds: Math.round(performance.now() - this.#started) / 1000,
      });
      return;
    }
    for (const point of unopened) {
      this.#aside(
        `note: ${describePoint(point)} is not encrypted for the secret key given: its content was not checked\n`,
      );
    }
    this.#say(`${summary(result, newest, reading)}\n`);
  }

  #json(value: unknown): void {
    this.#context.stdout(`${JSON.stringify(value)}\n`);
  }

  #say(text: string): void {
    this.#progress.aside(() => this.#context.stdout(text));
  }

  #aside(text: string): void {
    this.#progress.aside(() => this.#context.stderr(text));
  }
}

/** `newest`: of the whole ones. */
function summary(
  result: VerifyResult,
  newest: Point | undefined,
  { points: all, rejected }: Reading,
): string {
  const { points, findings, whole, unopened, objects, bytes, files } = result;
  const looked = `${count(objects, 'object')} (${formatBytes(bytes)})${files === 0 ? '' : ` and ${count(files, 'version')} of files`}`;
  if (findings === 0) {
    const left =
      unopened.length === 0 ? '' : `; the content of ${count(unopened.length, 'point')} was not checked`;
    return `verified ${count(points, 'point')}, ${looked}: nothing is wrong${left}`;
  }
  const rest =
    newest === undefined
      ? 'no point is whole'
      : `${whole.length} of ${count(points, 'point')} ${whole.length === 1 ? 'is' : 'are'} whole, the newest of them ${describePoint(newest)}`;
  // What is made from now on builds on a whole point.
  const goesOn =
    newest !== undefined && newest === all.at(-1) && rejected.every(({ seq }) => seq < newest.seq);
  const full = goesOn ? '' : ', and make a new full on the host (holdfast backup --type full)';
  return `verified ${looked}: ${count(findings, 'problem')}; ${rest}; put damaged objects back from a copy of the store${full}`;
}

/** `point 3`, `points 1, 3 to 7 and 9`. */
function listSeqs(seqs: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const seq of seqs) {
    const last = runs.at(-1);
    if (last !== undefined && seq <= last[1] + 1) last[1] = seq;
    else runs.push([seq, seq]);
  }
  const parts = runs.map(([from, to]) =>
    from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`,
  );
  const last = parts.pop();
  const list = parts.length === 0 ? last : `${parts.join(', ')} and ${last}`;
  return `${seqs.length === 1 ? 'point' : 'points'} ${list}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
