/** Actions that pass a request and its answer on, but not as they were. */
import { endAt, flipAt, offset, type Place } from './body.ts';
import { forwarding } from './cuts.ts';
import type { Action } from './exchange.ts';
import { change, type HeaderChanges } from './headers.ts';

/** The first bytes of the answer's body (at most all but one), with a Content-Length that agrees: only a digest finds it. */
export function shortAnswer(place: Place): Action {
  return {
    name: 'shortAnswer',
    run: (exchange) => {
      let bytes = 0;
      return exchange.forward({
        answer: ({ headers }) => {
          const stated = headers.get('content-length')?.[0];
          bytes = offset(place, stated === undefined ? undefined : Number(stated));
          if (stated !== undefined) change(headers, { 'content-length': String(bytes) });
        },
        download: (body, length) => endAt(bytes)(body, length),
      });
    },
  };
}

/** One bit of the answer's body flipped, in the byte at `place` (negative: from the end); the head is as it was. */
export function corruptAnswer(place: Place): Action {
  return forwarding('corruptAnswer', { download: flipAt(place) });
}

/** One bit of the request's body flipped: a server that was told an ETag finds it. */
export function corruptUpload(place: Place): Action {
  return forwarding('corruptUpload', { upload: flipAt(place) });
}

/** Sets fields of the answer's head, or takes them away (null). */
export function changeHeaders(changes: HeaderChanges): Action {
  return forwarding('changeHeaders', { answer: ({ headers }) => change(headers, changes) });
}

/** What was asked is done, and the answer's code is another. */
export function changeStatus(code: number): Action {
  return forwarding(`changeStatus ${code}`, {
    answer: (head) => {
      head.status = code;
    },
  });
}

/** Sets fields of the request's head, or takes them away (null). */
export function changeRequest(changes: HeaderChanges): Action {
  return forwarding('changeRequest', { ask: (headers) => change(headers, changes) });
}
