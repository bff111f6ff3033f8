/** What the status and the headers of an answer say, as far as it is the same for every request to a cloud. */

import type { IncomingHttpHeaders } from 'node:http';

/** Statuses with which the server asks for patience, or is unwell: 498 is Swift's rate limit. */
export function mayPass(status: number): boolean {
  return status === 408 || status === 429 || status === 498 || (status >= 500 && status <= 599);
}

/** The server's clock when it answered. */
export function dateOf(headers: IncomingHttpHeaders): Date | undefined {
  return dateIn(headers.date);
}

/**
 * Milliseconds after which the server wants to be asked again (RFC 9110, 10.2.3). A point in time is read against the
 * server's own clock, and is undefined without that.
 */
export function retryAfterOf(headers: IncomingHttpHeaders): number | undefined {
  const written = headers['retry-after']?.trim();
  if (written === undefined) return undefined;
  if (/^\d{1,9}$/.test(written)) return Number(written) * 1000;
  const until = dateIn(written);
  const now = dateOf(headers);
  return until === undefined || now === undefined ? undefined : Math.max(0, until.getTime() - now.getTime());
}

/** The id that OpenStack gives a request; whoever runs the cloud finds it in the logs. For the end of a message. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  for (const name of ['x-openstack-request-id', 'x-trans-id']) {
    const id = headers[name];
    if (typeof id === 'string' && /^[\w.-]{1,80}$/.test(id)) return ` [${id}]`;
  }
  return '';
}

function dateIn(written: string | undefined): Date | undefined {
  // Date reads far more than HTTP allows, such as a bare number.
  if (written === undefined || !/^[A-Z][a-z]{2},? /.test(written)) return undefined;
  const date = new Date(written);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
