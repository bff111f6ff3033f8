/** Looks at what a host needs besides its store, for `holdfast doctor`: sources, keys, state folder, and the age of its newest point. */
import { constants, lstatSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { lookAtRoots } from '../backup/roots.ts';
import { expiryWarning, loadRecipient } from '../crypto/recipients.ts';
import { loadSigner } from '../crypto/signer.ts';
import { HoldfastError, systemCode } from '../errors.ts';
import type { Finding, Findings } from '../finding.ts';
import { StrategyNames } from '../format/names.ts';
import type { FoundIndex } from '../index/files.ts';
import { newestSet, readHeader } from '../index/header.ts';
import { formatDuration } from '../strategy/duration.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** Where things of the host are, and who looks. */
export interface HostPlaces {
  /** The host's signing key. */
  signerFile: string;
  /** Folder of the state of all strategies. */
  stateDir: string;
  /** The effective user. */
  uid: number;
  now: Date;
}

/** Returns the name of the commit of the newest point that was made here, where one is known. */
export async function* examineHost(strategy: Strategy, places: HostPlaces): Findings<string | undefined> {
  yield* sourceFindings(strategy);
  for (const file of strategy.recipients) yield await recipientFinding(file, places.now);
  yield* signerFindings(strategy, places.signerFile);
  return yield* stateFindings(strategy, places);
}

function* sourceFindings(strategy: Strategy): Generator<Finding> {
  const subject = 'sources';
  try {
    const { absent } = lookAtRoots(
      strategy.sources.flatMap((source) => (source.kind === 'paths' ? [source] : [])),
    );
    for (const { path, isEmpty } of absent) {
      const what = `${path} of the strategy is ${isEmpty ? 'empty' : 'not there'}`;
      yield {
        subject,
        state: 'warning',
        what,
        advice: `mount it, or ${isEmpty ? 'say allowEmpty: true, if that is right' : 'correct the strategy'}`,
      };
    }
    if (absent.length === 0) yield { subject, state: 'good', what: 'all paths of the strategy are there' };
  } catch (error) {
    yield { subject, state: 'bad', what: messageOf(error) };
  }
}

async function recipientFinding(file: string, now: Date): Promise<Finding> {
  const subject = 'recipient';
  try {
    const recipient = await loadRecipient(file, now);
    const { userId, fingerprint, expires } = recipient;
    const expiring = expiryWarning(recipient, now);
    if (expiring !== undefined) return { subject, state: 'warning', what: expiring };
    const until =
      expires === undefined ? 'does not expire' : `good until ${expires.toISOString().slice(0, 10)}`;
    return { subject, state: 'good', what: `${file}: ${userId} (${fingerprint}), ${until}` };
  } catch (error) {
    return { subject, state: 'bad', what: messageOf(error) };
  }
}

async function* signerFindings({ signer: pinned }: Strategy, file: string): Findings {
  const subject = 'signing key';
  try {
    const { fingerprint } = await loadSigner(file);
    const what = `${file}: ${fingerprint}, for its owner alone`;
    if (pinned.includes(fingerprint)) {
      yield { subject, state: 'good', what: `${what}, and pinned in the strategy` };
    } else if (pinned.length === 0) {
      const advice = `pin it: signer: "${fingerprint}" in the strategy, and wherever you restore`;
      yield { subject, state: 'note', what: `${what}; the strategy pins none`, advice };
    } else {
      yield {
        subject,
        state: 'warning',
        what: `${what}; but signer: in the strategy does not name it: a restore with this strategy will not believe the points of this host`,
        advice: 'add its fingerprint there, or put the right key back',
      };
    }
  } catch (error) {
    yield { subject, state: 'bad', what: messageOf(error) };
  }
}

async function* stateFindings(
  strategy: Strategy,
  { stateDir, uid, now }: HostPlaces,
): Findings<string | undefined> {
  const subject = 'state';
  const folder = join(stateDir, strategy.name);
  const found = statOf(folder);
  if (found === 'ENOENT' || found === 'ENOTDIR') {
    yield {
      subject,
      state: 'note',
      what: `there is no state folder ${folder}: nothing has been backed up from here with this state, and the next set is a full`,
      advice: 'before the first backup that is right; else see --state-dir, and which user makes the backups',
    };
    return undefined;
  }
  if (typeof found === 'string') {
    yield {
      subject,
      state: 'bad',
      what: `the state folder ${folder} cannot be reached (${found})`,
      advice: RIGHT_USER,
    };
    return undefined;
  }
  const wrong = !found.isDirectory()
    ? 'is not a folder'
    : found.uid !== uid
      ? `belongs to user ${found.uid}, and this is user ${uid}`
      : (found.mode & 0o022) !== 0
        ? 'can be written by other users'
        : (await mayWrite(folder))
          ? undefined
          : 'cannot be written to';
  if (wrong !== undefined) {
    yield { subject, state: 'bad', what: `the state folder ${folder} ${wrong}`, advice: RIGHT_USER };
    return undefined;
  }
  yield { subject, state: 'good', what: `${folder} is there, and can be written to` };
  const header = readHeader(join(folder, 'index.json'));
  yield pointFinding(strategy, header, now);
  if (header === 'absent' || 'unusable' in header) return undefined;
  return new StrategyNames(strategy.name).commit(newestSet(header));
}

const RIGHT_USER =
  'run this as the user that makes the backups; see owner and mode of the folder, or choose another one with --state-dir';

/** What the index knows of the newest point that was made here. */
function pointFinding({ objectives, schedule }: Strategy, header: FoundIndex, now: Date): Finding {
  const subject = 'newest point';
  if (header === 'absent') {
    return {
      subject,
      state: 'note',
      what: 'the index knows of none: the next set is a full',
      advice: 'run "holdfast backup"',
    };
  }
  if ('unusable' in header) {
    const what = `the index cannot be used, ${header.unusable}: the next set is a full, and nothing else is lost`;
    return { subject, state: 'warning', what, advice: 'check the disk of the state folder' };
  }
  const { seq, time } = newestSet(header);
  const age = now.getTime() - new Date(time).getTime();
  const what = `point ${seq} of ${time}, by the index of this machine, is ${age < 0 ? 'ahead of the clock by ' : ''}${formatDuration(age)}${age < 0 ? '' : ' old'}`;
  if (age < 0) {
    return {
      subject,
      state: 'warning',
      what,
      advice: 'the clock was set back, or was wrong then; see "timedatectl"',
    };
  }
  const { incremental } = schedule;
  const scheduled = incremental?.kind === 'every' ? incremental.length * 2 : undefined;
  const most = objectives?.rpo ?? scheduled;
  if (most === undefined || age <= most) return { subject, state: 'good', what };
  const than = objectives?.rpo === undefined ? 'twice schedule.incremental' : 'objectives.rpo';
  return {
    subject,
    state: 'warning',
    what: `${what}, older than ${than} (${formatDuration(most)})`,
    advice: "see why backups ceased: cron's mail or the journal, or run one by hand",
  };
}

function statOf(path: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return code;
  }
}

async function mayWrite(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof HoldfastError) return error.message;
  throw error;
}
