/**
 * Examines a Swift store for `holdfast doctor`, from the credentials to what may be done in the container. Changes nothing but a
 * probe, which it removes; what each answer means is told beside this file, in examine/.
 */
import { HoldfastError } from '../../errors.ts';
import { type Findings, lookAt, skipped } from '../../finding.ts';
import type { SwiftStore } from '../../strategy/strategy.ts';
import type { Examination } from '../examination.ts';
import { probe, probeFolder } from '../probe.ts';
import { dateOf } from './answer.ts';
import { persist } from './attempts.ts';
import type { Reply } from './client.ts';
import type { Surroundings } from './credentials/find.ts';
import { containerFindings } from './examine/container.ts';
import { limitFindings } from './examine/limits.ts';
import {
  clockFindings,
  credentialsFinding,
  endpointFinding,
  proxyFindings,
  signedInFinding,
  tlsFindings,
} from './examine/sign-in.ts';
import { Transient } from './failure.ts';
import { type OpenedSwift, openSwift } from './open.ts';
import { type Asked, isSwifts, verdict } from './verdict.ts';

/** Milliseconds for which what fails is tried again: someone waits. */
const DEADLINE = 1000;
const SMALL = 1 << 20;

/** Looks at everything that can be reached. `onRetry` hears of attempts that are repeated. */
export async function* examineSwift(
  choice: SwiftStore,
  examination: Examination,
  surroundings: Surroundings,
  onRetry: (line: string) => void,
): Findings {
  yield* proxyFindings(surroundings.env);
  const hasty = { ...choice, deadline: DEADLINE };
  const opening = openSwift(hasty, { ...surroundings, throttle: undefined, onRetry });
  const opened = await lookAt('the credentials', examination.patience, opening);
  if ('error' in opened) {
    yield { subject: 'credentials', state: 'bad', what: words(opened.error) };
    yield skipped('sign-in, container, quotas, permissions', 'no sign-in is possible');
    return;
  }
  try {
    yield* look(opened.value, choice, examination);
  } finally {
    await opened.value.store.close();
  }
}

async function* look(opened: OpenedSwift, choice: SwiftStore, examination: Examination): Findings {
  const { credentials, session, persistence, info, store } = opened;
  const { patience, now } = examination;
  yield credentialsFinding(credentials);
  const signingIn = persist(`sign-in at ${credentials.authUrl.href}`, persistence, () => session.ticket());
  const ticket = await lookAt(`sign-in at ${credentials.authUrl.href}`, patience, signingIn);
  const seen = now();
  const { signedIn } = session;
  if ('error' in ticket || signedIn === undefined) {
    yield* tlsFindings(credentials, [credentials.authUrl]);
    if ('error' in ticket) yield { subject: 'sign-in', state: 'bad', what: words(ticket.error) };
    yield skipped('endpoint, clock, limits, container, quotas, permissions', 'the sign-in failed');
    return;
  }
  yield* tlsFindings(credentials, [credentials.authUrl, signedIn.storageUrl]);
  yield signedInFinding(signedIn, credentials.authUrl);
  yield endpointFinding(signedIn, credentials, choice);

  const found = await lookAt(`store ${store.label}`, patience, askContainer(opened, choice.container, now));
  if ('error' in found) {
    yield* clockFindings(signedIn.date, seen);
    yield absent(found.error, examination);
    yield skipped('limits, history, quotas, permissions', 'the container does not answer');
    return;
  }
  const { reply, seen: replySeen } = found.value;
  // A clock far off shows in either; Keystone and the store may have one each.
  yield* clockFindings(dateOf(reply.headers) ?? signedIn.date, replySeen);
  const limits = await lookAt('/info', patience, info());
  yield* limitFindings('value' in limits ? limits.value : undefined, choice.prefix, examination);
  if (reply.status === 403) {
    yield {
      subject: 'container',
      state: 'bad',
      what: `store ${store.label}: refused (403): these credentials may not list the container, or it is not there (to those without rights Swift tells no difference)`,
      advice:
        'check the name of the container, and give these credentials the role or the ACL for it, see docs/operations.md',
    };
  } else {
    const history = reply.headers['x-history-location'];
    const isTried = history !== undefined && !examination.readOnly;
    const [account, historyThere, post] = await Promise.all([
      lookAt('the account', patience, askAccount(opened)),
      lookAt('the history', patience, askHistory(opened, history)),
      lookAt('a POST', patience, isTried ? askPost(opened, choice, examination) : none()),
    ]);
    const headers = 'value' in account ? account.value : undefined;
    const historyIsThere = 'value' in historyThere ? historyThere.value : undefined;
    const mayPost = 'value' in post ? post.value : undefined;
    const seen = { container: reply.headers, account: headers, historyIsThere, mayPost };
    yield* containerFindings(seen, examination);
  }
  yield* probe({ ...examination, store, words });
}

function absent(error: HoldfastError, { task }: Examination) {
  const { code } = error;
  if (code !== 'store-absent') return { subject: 'container', state: 'bad' as const, what: words(error) };
  const advice =
    task === 'backup'
      ? 'check store.swift.container; "holdfast init" makes the container where the credentials allow it, and nothing was made now'
      : 'check --store, and that these are the credentials of the right project';
  return { subject: 'container', state: 'bad' as const, what: words(error), advice };
}

/** The container's headers, by 200 or 204, or the refusal to list it. By GET: a HEAD's answer (204) is not well-formed. */
async function askContainer(
  { client, persistence, store }: OpenedSwift,
  container: string,
  now: () => Date,
): Promise<{ reply: Reply; seen: Date }> {
  const asked: Asked = { failed: `store ${store.label}: the container cannot be looked at`, right: 'list' };
  return persist(asked.failed, persistence, async () => {
    const query = { format: 'json', limit: '1' };
    const reply = await client.send({ method: 'GET', container, query, limit: SMALL, what: asked.failed });
    const seen = now();
    if (reply.status === 403 && isSwifts(reply)) return { reply, seen };
    if (reply.status === 401 && isSwifts(reply)) {
      const why = 'refuses the token that the sign-in has just given (401)';
      const advice = 'the credentials were revoked, or the store belongs to another cloud than the sign-in';
      throw new HoldfastError('store', `store ${store.label}: the server ${why}: ${advice}`);
    }
    if (reply.status !== 200 && reply.status !== 204) throw verdict(reply, asked);
    if (reply.headers['x-container-object-count'] === undefined) {
      throw new HoldfastError(
        'store',
        `${asked.failed}: what answers is no container of Swift; check the URL of the endpoint, and what stands between`,
      );
    }
    return { reply, seen };
  });
}

/** The account's headers; undefined where it may not be seen. */
async function askAccount({
  client,
  persistence,
  store,
}: OpenedSwift): Promise<Reply['headers'] | undefined> {
  const asked: Asked = { failed: `store ${store.label}: the account cannot be looked at`, right: 'list' };
  return persist(asked.failed, persistence, async () => {
    const query = { format: 'json', limit: '1' };
    const reply = await client.send({ method: 'GET', query, limit: SMALL, what: asked.failed });
    if (reply.status === 200 || reply.status === 204) return reply.headers;
    if (isSwifts(reply) && reply.status >= 400 && reply.status < 500) return undefined;
    throw verdict(reply, asked);
  });
}

/** Whether the container that keeps the history is there; undefined where there is none, or it cannot be told. */
async function askHistory(
  { client, persistence }: OpenedSwift,
  written: string | undefined,
): Promise<boolean | undefined> {
  const container = written === undefined ? undefined : decode(written);
  if (container === undefined) return undefined;
  const what = `the container ${JSON.stringify(container)} of the history`;
  const query = { format: 'json', limit: '1' };
  const reply = await persist(what, persistence, () =>
    client.send({ method: 'GET', container, query, limit: SMALL, what }),
  );
  if (reply.status === 404 && isSwifts(reply)) return false;
  return reply.status === 200 || reply.status === 204 ? true : undefined;
}

/**
 * Whether this credential may POST to objects, among which is putting an expiry date on them; undefined where it cannot be told. Asks about an
 * object that is not there: the right is looked at first, and nothing changes.
 */
async function askPost(
  { client, persistence }: OpenedSwift,
  { container, prefix }: SwiftStore,
  { strategy }: Examination,
): Promise<boolean | undefined> {
  const name = `${probeFolder(strategy)}never-there`;
  const object = prefix === '' ? name : `${prefix}/${name}`;
  const what = `a POST to ${object}`;
  const reply = await persist(what, persistence, () =>
    client.send({ method: 'POST', container, object, limit: SMALL, what }),
  );
  if (!isSwifts(reply)) return undefined;
  // The rules of an application credential refuse by 401, an ACL by 403.
  if (reply.status === 401 || reply.status === 403) return false;
  return reply.status === 404 || reply.status === 202 ? true : undefined;
}

async function none(): Promise<undefined> {}

function decode(written: string): string | undefined {
  try {
    return decodeURIComponent(written);
  } catch {
    return undefined;
  }
}

/** An error's message, without the advice to ask this very command. */
function words(error: HoldfastError): string {
  const { message } = error.cause instanceof Transient ? error.cause : error;
  return message.replace('; "holdfast doctor" may tell more', '');
}
