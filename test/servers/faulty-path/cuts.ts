/** Actions that cut the client's connection. */
import { createHash } from 'node:crypto';
import { cutAt, type Place } from './body.ts';
import { Cut, type CutBy } from './endings.ts';
import type { Action } from './exchange.ts';
import type { Course } from './forward.ts';

/** An action that passes the request on by way of `course`. */
export function forwarding(name: string, course: Course): Action {
  return { name, run: (exchange) => exchange.forward(course) };
}

/** Before anything is passed on. */
export function cutBefore(by: CutBy = 'reset'): Action {
  return {
    name: 'cutBefore',
    run: async () => {
      throw new Cut(by);
    },
  };
}

/** When so many bytes of the request's body were passed on (at most all but one); the server loses its connection too. */
export function cutInBody(place: Place, by: CutBy = 'reset'): Action {
  return forwarding('cutInBody', { upload: cutAt(place, by) });
}

/** When the server has answered: it is done, and the client does not know. */
export function loseAnswer(by: CutBy = 'reset'): Action {
  return forwarding('loseAnswer', {
    answered: () => {
      throw new Cut(by);
    },
  });
}

/** After so many bytes of the answer's body (at most all but one), of which the head announced all. */
export function truncateAnswer(place: Place, by: CutBy = 'close'): Action {
  return forwarding('truncateAnswer', { download: cutAt(place, by) });
}

/**
 * Cuts about one in `n` of the requests it is given: before, in the body, when answered, or in the answer. The k-th request's lot
 * depends on `seed` and k alone.
 */
export function cutOneIn(n: number, seed: string): Action {
  let count = 0;
  return {
    name: `cutOneIn ${n}, seed ${seed}`,
    run: async (exchange) => {
      count += 1;
      const lots = createHash('sha256').update(`${seed}:${count}`).digest();
      const lot = (at: number) => lots.readUInt32BE(at) / 2 ** 32;
      if (lot(0) >= 1 / n) return exchange.forward();
      const place: Place = (length) => Math.floor(lot(4) * (length ?? 65_536));
      const kinds = [cutBefore(), cutInBody(place), loseAnswer(), truncateAnswer(place)];
      const kind = kinds[Math.floor(lot(8) * kinds.length)]!;
      exchange.logged.done = kind.name;
      return kind.run(exchange);
    },
  };
}
