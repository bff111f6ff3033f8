/** What the headers of a container and of its account say of history, rights and quotas. Pure. */
import type { Finding } from '../../../finding.ts';
import { formatBytes } from '../../../strategy/size.ts';
import type { Examination } from '../../examination.ts';

/** Headers of an answer, names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** What was asked of container and account. */
export interface Seen {
  container: Headers;
  /** Undefined where this credential may not see the account. */
  account: Headers | undefined;
  /** Whether the container of X-History-Location is there; undefined where this credential may not tell. */
  historyIsThere: boolean | undefined;
  /** Whether this credential may change the headers of objects (POST), among them their expiry; undefined where it was not tried. */
  mayPost?: boolean | undefined;
}

/** Below this part of a quota there is not much left. */
const LITTLE = 0.1;

/** Whether the credential is an owner: Swift shows a container's ACL to owners only, and the account to hardly anybody else. */
export function isOwner({ container, account }: Pick<Seen, 'container' | 'account'>): boolean {
  return aclsOf(container).length > 0 || account !== undefined;
}

export function* containerFindings(
  seen: Seen,
  examination: Pick<Examination, 'task' | 'volumeSize'>,
): Generator<Finding> {
  yield contentFinding(seen.container);
  yield historyFinding(seen, examination.task);
  yield* expiryFindings(seen, examination.task);
  yield* rightsFindings(seen, examination.task);
  yield* quotaFindings(seen, examination.volumeSize);
}

function contentFinding(headers: Headers): Finding {
  const policy = headers['x-storage-policy'];
  return {
    subject: 'container',
    state: 'good',
    what: `is there: ${headers['x-container-object-count']} objects, ${formatBytes(count(headers['x-container-bytes-used']) ?? 0)}${policy === undefined ? '' : `, storage policy ${JSON.stringify(policy)}`} (the server counts with a delay)`,
  };
}

/** Keeps what is overwritten or deleted, so that a stolen credential of the host cannot erase the past. */
function historyFinding(seen: Seen, task: Examination['task']): Finding {
  const { container } = seen;
  const subject = 'history';
  const history = container['x-history-location'];
  const kept =
    history !== undefined
      ? `overwritten and deleted objects are kept in the container ${decoded(history)} (X-History-Location)`
      : container['x-versions-enabled']?.toLowerCase() === 'true'
        ? 'overwritten and deleted objects are kept as versions (X-Versions-Enabled)'
        : undefined;
  if (kept === undefined) {
    const stack = container['x-versions-location'];
    const what =
      stack === undefined
        ? 'the container keeps nothing of what is overwritten or deleted'
        : `the container keeps overwritten objects in ${decoded(stack)} (X-Versions-Location), from where each deletion takes one back`;
    return {
      subject,
      state: 'warning',
      what: `${what}: whoever steals a credential that may write there can erase all backups`,
      advice: 'set up X-History-Location, see docs/operations.md',
    };
  }
  if (history !== undefined && seen.historyIsThere === false) {
    return {
      subject,
      state: 'bad',
      what: `X-History-Location of the container names ${decoded(history)}, which is not there: nothing can be overwritten or deleted (412)`,
      advice: 'make that container',
    };
  }
  if (isOwner(seen) && task === 'backup') {
    return {
      subject,
      state: 'warning',
      what: `${kept}; but this credential owns the container, and a thief could switch that off and erase all backups with it`,
      advice:
        'give this machine a credential that may only read and write the container, see docs/operations.md',
    };
  }
  if (history === undefined) {
    // The server asks for the right to write alone when the newest version is deleted by its id (Swift 2.30).
    return {
      subject,
      state: task === 'backup' ? 'warning' : 'note',
      what: `${kept}: good against mistakes, but whoever may write can remove the newest version of every object for good`,
      advice: 'use a new container with X-History-Location, see docs/operations.md',
    };
  }
  return { subject, state: 'good', what: kept };
}

/** The one way round a history: an expiry date that is put on an object holds for its copy in the history too. */
function* expiryFindings(seen: Seen, task: Examination['task']): Generator<Finding> {
  // Where there is no history, or its owner asks, there are shorter ways.
  if (seen.mayPost === undefined || task !== 'backup' || isOwner(seen)) return;
  const subject = 'expiry';
  if (!seen.mayPost) {
    yield { subject, state: 'good', what: 'this credential cannot put an expiry date on objects (POST)' };
    return;
  }
  yield {
    subject,
    state: 'note',
    what: 'this credential may put an expiry date on objects (POST), which holds for their copies in the history too: a thief could let all backups expire',
    advice:
      'take an application credential with access rules that lack POST; where there is no such thing, make safe copies, see docs/operations.md',
  };
}

function* rightsFindings(seen: Seen, task: Examination['task']): Generator<Finding> {
  const subject = 'rights';
  const acls = aclsOf(seen.container);
  for (const [header, acl] of acls) {
    const open = acl.split(',').filter((grant) => ['.r:*', '*', '*:*'].includes(grant.trim()));
    if (open.length === 0) continue;
    const may = header === 'X-Container-Read' ? 'read' : 'overwrite and delete';
    const whom = open.some((grant) => grant.trim() === '.r:*') ? 'everybody' : 'every user of the cloud';
    yield {
      subject,
      state: 'warning',
      what: `${header} of the container has ${JSON.stringify(open.join(',').trim())}: ${whom} may ${may} what lies there`,
      advice: `take it out of the container's ACL, unless it is meant so (swift post)`,
    };
  }
  if (!isOwner(seen)) {
    const what =
      'this credential sees neither the ACL of the container nor the account: it has rights to the container alone';
    yield { subject, state: 'good', what };
    return;
  }
  const because = acls.length > 0 ? 'is shown the ACL of the container' : 'may list the whole account';
  yield {
    subject,
    state: 'note',
    what: `this credential ${because}, as owners may: it can most likely change ACL, history and quotas of the container, and delete other containers`,
    ...(task === 'backup' && {
      advice: 'for a host, take one with rights to this container alone, see docs/operations.md',
    }),
  };
}

function* quotaFindings({ container, account }: Seen, volumeSize = 0): Generator<Finding> {
  const quotas = [
    quota(
      'container',
      'bytes',
      container['x-container-meta-quota-bytes'],
      container['x-container-bytes-used'],
    ),
    quota(
      'container',
      'objects',
      container['x-container-meta-quota-count'],
      container['x-container-object-count'],
    ),
    quota('account', 'bytes', account?.['x-account-meta-quota-bytes'], account?.['x-account-bytes-used']),
  ].filter((found) => found !== undefined);
  for (const { of, unit, most, used } of quotas) {
    const left = most - used;
    const show = (amount: number) => (unit === 'bytes' ? formatBytes(amount) : `${amount} objects`);
    const what = `the ${of} may hold ${show(most)}; ${show(used)} are used, ${show(Math.max(0, left))} are left`;
    const isFull = left <= 0 || (unit === 'bytes' && left < volumeSize);
    const state = isFull ? 'bad' : left < most * LITTLE ? 'warning' : 'good';
    const advice = 'have the quota raised, or remove what is not needed, before backups fail';
    yield { subject: 'quota', state, what, ...(state !== 'good' && { advice }) };
  }
  if (quotas.length === 0) {
    const unseen = account === undefined ? "; this credential cannot see the account's" : '';
    yield {
      subject: 'quota',
      state: 'good',
      what: `none is set for the container${account === undefined ? '' : ' or the account'}${unseen}`,
    };
  }
}

interface Quota {
  of: 'container' | 'account';
  unit: 'bytes' | 'objects';
  most: number;
  used: number;
}

function quota(
  of: Quota['of'],
  unit: Quota['unit'],
  written: string | undefined,
  used: string | undefined,
): Quota | undefined {
  const most = count(written);
  return most === undefined ? undefined : { of, unit, most, used: count(used) ?? 0 };
}

function count(written: string | undefined): number | undefined {
  return written !== undefined && /^\d{1,15}$/.test(written) ? Number(written) : undefined;
}

function aclsOf(headers: Headers): [string, string][] {
  return ['X-Container-Read', 'X-Container-Write'].flatMap((name) => {
    const acl = headers[name.toLowerCase()];
    return acl === undefined || acl === '' ? [] : [[name, acl] as [string, string]];
  });
}

/** The name of a container as headers carry it, on one line. */
function decoded(name: string): string {
  try {
    return JSON.stringify(decodeURIComponent(name));
  } catch {
    return JSON.stringify(name);
  }
}
