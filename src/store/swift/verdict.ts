/** What Swift's answer to a request means: done, try again, or what somebody has to put right. */
import { type ErrorCode, HoldfastError } from '../../errors.ts';
import { mayPass, requestIdOf, retryAfterOf } from './answer.ts';
import type { Reply } from './client.ts';
import { Transient } from './failure.ts';

/** What was asked for, in words for messages. */
export interface Asked {
  /** `store swift:backups/web01: web01/… cannot be stored`. */
  failed: string;
  /** What the credentials may lack: `write to`, `read`, `list`, `delete from`. */
  right: string;
  /** The object concerned. */
  object?: string;
}

const CHANGES = new Set(['write to', 'delete from']);

/** Whether the answer comes from Swift, or from something that speaks for it: a proxy's page has no such header. */
export function isSwifts({ headers }: Pick<Reply, 'headers'>): boolean {
  return headers['x-trans-id'] !== undefined || headers['x-openstack-request-id'] !== undefined;
}

/** The error for an answer that is none of those that were hoped for: Transient, or HoldfastError. */
export function verdict(reply: Reply, asked: Asked): Transient | HoldfastError {
  const { status, headers } = reply;
  const id = requestIdOf(headers);
  const passing = (why: string) =>
    new Transient(`${asked.failed}: ${why}${id}`, { retryAfter: retryAfterOf(headers) });
  const final = (why: string, code: ErrorCode = 'store') =>
    new HoldfastError(code, `${asked.failed}: ${why}${id}`, {
      ...(asked.object !== undefined && { object: asked.object }),
    });

  if (status >= 300 && status < 400) {
    return final(
      `the server sends us on to ${whereTo(headers.location)} (${status}), where nothing is sent: a redirect is not Swift's, see what stands between`,
    );
  }
  // Nginx's words for plain http on the port of https.
  if (status === 497) return final('the server wants https there (497): correct the URL of the endpoint');
  if (mayPass(status)) return passing(`the server answered ${status}`);
  if (!isSwifts(reply)) {
    return passing(`the answer (${status}${pageOf(reply)}) is not Swift's; does a proxy stand between?`);
  }
  if (status === 202) return passing('the server took it, but has not stored it (202)');
  if (status === 403) {
    return final(
      `refused (403): these credentials may not ${asked.right} the container; give them the role or the ACL for it`,
    );
  }
  if (status === 404) {
    return final(
      'the container is not there: check its name and the credentials; "holdfast init" makes it',
      'store-absent',
    );
  }
  if (status === 413) {
    return final(
      /quota/i.test(reply.body.toString('latin1'))
        ? 'the quota of the container or the account is reached (413): raise it, or remove what is not needed'
        : 'it is larger than the server takes (413): choose a smaller volume.size',
      'no-space',
    );
  }
  // Only what changes an object needs the history; of a listing the same status says something else.
  const history =
    status === 412 && CHANGES.has(asked.right)
      ? ', as when the container of X-History-Location is not there'
      : '';
  return final(`the server answered ${status}${history}; "holdfast doctor" may tell more`);
}

/** Where a redirect leads, without what could be a secret in it. */
function whereTo(location: string | undefined): string {
  const url = location === undefined ? null : URL.parse(location);
  return url === null ? 'somewhere else' : `${url.origin}${url.pathname}`.slice(0, 200);
}

function pageOf({ headers }: Reply): string {
  return /html/i.test(headers['content-type'] ?? '') ? ', a web page' : '';
}
