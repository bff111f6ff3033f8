/** Functions of the running program that JavaScript does not have, called by their prototypes (the only user of koffi): those of the C library, and of what Node is made of. */
import { createRequire } from 'node:module';

/** A function of C. Pointers are given as memory that outlives the call, or as what another function has returned. */
export type NativeFunction<Argument, Result> = (...args: Argument[]) => Result;

/** The functions that there are. */
export interface Native {
  /** Throws where there is none of that name. */
  find<Argument, Result>(prototype: string): NativeFunction<Argument, Result>;
  errno(): number;
}

let known: Native | null | undefined;

/** The functions; undefined where they cannot be had: on another system than Linux with 64 bits, or without the native part. */
export function native(): Native | undefined {
  known ??= load() ?? null;
  return known ?? undefined;
}

function load(): Native | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    // The layout of structures, and of what is passed as long, is that of 64 bits.
    if (koffi.sizeof('long') !== 8) return undefined;
    // What the program itself is linked to, and what it exports.
    const library = koffi.load(null);
    return {
      find: <Argument, Result>(prototype: string) =>
        library.func(prototype) as unknown as NativeFunction<Argument, Result>,
      errno: () => koffi.errno(),
    };
  } catch {
    return undefined;
  }
}
