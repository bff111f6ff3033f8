/**
 * Values out of JSON, each checked to be what the format has in its place. Lines of manifests come by the million, and are read by these: a schema library
 * takes several times as long for them.
 */

/** A value is not what the format has in its place. */
export class UnfitValue extends Error {}

/** A JSON object whose values are not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** An object. Throws UnfitValue, as all of these do. */
export function objectOf(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UnfitValue();
  return value as JsonObject;
}

/** An object with no other keys than these. */
export function strictObjectOf(value: unknown, keys: ReadonlySet<string>): JsonObject {
  const object = objectOf(value);
  for (const key of Object.keys(object)) if (!keys.has(key)) throw new UnfitValue();
  return object;
}

/** A whole number that is exact in JavaScript, between these, which are allowed. */
export function integerOf(value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw new UnfitValue();
  return value as number;
}

/** A text of at most so many UTF-16 units. */
export function textOf(value: unknown, longest: number = Number.POSITIVE_INFINITY): string {
  if (typeof value !== 'string' || value.length > longest) throw new UnfitValue();
  return value;
}

/** A text, or undefined where there is none. */
export function optionalTextOf(value: unknown, longest?: number): string | undefined {
  return value === undefined ? undefined : textOf(value, longest);
}

/** A text that matches. */
export function matchOf(value: unknown, pattern: RegExp): string {
  const text = textOf(value);
  if (!pattern.test(text)) throw new UnfitValue();
  return text;
}

/** A mark, which is true or is not there. */
export function markOf(value: unknown): boolean {
  if (value !== undefined && value !== true) throw new UnfitValue();
  return value === true;
}

/** A list of so many values. */
export function listOf(
  value: unknown,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): readonly unknown[] {
  if (!Array.isArray(value) || value.length < least || value.length > most) throw new UnfitValue();
  return value;
}
