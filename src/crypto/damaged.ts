/** The error for a message that is not as Holdfast writes it. */
import { HoldfastError } from '../errors.ts';

/** The error `damage` for a message, which errors call by its object's name when it is known. */
export function damaged(object: string | undefined, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'damage',
    `${object ?? 'the message'} ${problem}: it is damaged, or was not written by Holdfast; run holdfast verify to see which points it harms`,
    { ...(object === undefined ? {} : { object }), cause },
  );
}
