/** Watches over a request that is under way, and tells when it has taken too long; ends nothing itself. */
import type { Socket } from 'node:net';
import type { PendingRequest } from './pkgcloud-types.ts';

/** Calls `giveUp` when the connection does not stand in time; returns what ends the watch. */
export function watchConnecting(pending: PendingRequest, within: number, giveUp: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  pending.on('socket', (socket) => {
    if (!socket.connecting) return;
    timer = setTimeout(giveUp, within);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => clearTimeout(timer));
  });
  return () => clearTimeout(timer);
}

/** Calls `giveUp` so long after the connection has closed: the watch for a stall ends with it. Returns what ends this watch. */
export function watchAbandoned(pending: PendingRequest, after: number, giveUp: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let watched: Socket | undefined;
  const begin = () => {
    timer = setTimeout(giveUp, after);
  };
  pending.on('socket', (socket) => {
    watched = socket.once('close', begin);
  });
  return () => {
    clearTimeout(timer);
    // A connection that is kept serves many requests.
    watched?.off('close', begin);
  };
}

/**
 * Calls `giveUp` when `patience` milliseconds have gone, besides those for which the body was held back since, which it is told; returns what
 * ends the watch.
 */
export function watchWhole(
  patience: number,
  held: () => number = () => 0,
  giveUp: (held: number) => void,
): () => void {
  const began = performance.now();
  const before = held();
  let timer: NodeJS.Timeout;
  const look = () => {
    const heldSince = held() - before;
    const left = patience + heldSince - (performance.now() - began);
    // Never longer: what it is held back for meanwhile is seen then.
    if (left > 0) timer = setTimeout(look, Math.ceil(Math.min(left, patience)));
    else giveUp(heldSince);
  };
  timer = setTimeout(look, patience);
  return () => clearTimeout(timer);
}

/** Whole seconds, for messages. */
export function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
