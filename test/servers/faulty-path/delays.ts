/**
 * Actions that keep the client waiting.
 *
 * While the path reads nothing, it does not notice that the client has left, as no server does: after a stall, what lies in the
 * socket is still passed on, and may be done long after the client has given up and tried again.
 */
import { type Place, slowly, waitAt } from './body.ts';
import type { Action } from './exchange.ts';

/** A time that no client waits for. The stall ends with the path, or when the client is seen to leave. */
export const forever = Number.POSITIVE_INFINITY;

/** Before anything is passed on. What the client sends meanwhile stays in its socket. */
export function stall(milliseconds: number): Action {
  return {
    name: 'stall',
    run: async (exchange) => {
      await exchange.pause(milliseconds);
      await exchange.forward();
    },
  };
}

/** When the server has answered: it is done, and the client hears of it late or never. */
export function stallAnswer(milliseconds: number): Action {
  return {
    name: 'stallAnswer',
    run: (exchange) => exchange.forward({ answered: () => exchange.pause(milliseconds) }),
  };
}

/** After so many bytes of the request's body, taking no more in. */
export function stallUpload(place: Place, milliseconds: number): Action {
  return {
    name: 'stallUpload',
    run: (exchange) => exchange.forward({ upload: waitAt(place, () => exchange.pause(milliseconds)) }),
  };
}

/** After so many bytes of the answer's body. */
export function stallDownload(place: Place, milliseconds: number): Action {
  return {
    name: 'stallDownload',
    run: (exchange) => exchange.forward({ download: waitAt(place, () => exchange.pause(milliseconds)) }),
  };
}

/** Both bodies at this speed. */
export function trickle(bytesPerSecond: number): Action {
  return {
    name: 'trickle',
    run: (exchange) => {
      const slow = slowly(bytesPerSecond, (milliseconds) => exchange.pause(milliseconds));
      return exchange.forward({ upload: slow, download: slow });
    },
  };
}

/** Calls `then` before anything is passed on, and goes on as usual: an outage, a kill or a change at this very moment. */
export function callBefore(then: () => Promise<void> | void): Action {
  return {
    name: 'callBefore',
    run: async (exchange) => {
      await then();
      await exchange.forward();
    },
  };
}

/** Calls `then` when the server has answered, before the client is told. */
export function callAfter(then: () => Promise<void> | void): Action {
  return { name: 'callAfter', run: (exchange) => exchange.forward({ answered: then }) };
}
