/** Pages of a container's listing: read strictly, since what lies in the store is untrusted. */
import { z } from 'zod';

/** One object, as Swift lists it. */
export interface ListedObject {
  name: string;
  /** Bytes. */
  size: number;
}

const page = z.array(
  z.union([
    z.looseObject({ name: z.string().min(1), bytes: z.int().min(0) }),
    // What a delimiter would fold together; none is asked for.
    z.looseObject({ subdir: z.string() }),
  ]),
);

/** The objects of one page; undefined when it is no listing. */
export function parsePage(body: Uint8Array): ListedObject[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = page.safeParse(value);
  if (!parsed.success) return undefined;
  return parsed.data.flatMap((entry) =>
    'bytes' in entry ? [{ name: entry.name as string, size: entry.bytes as number }] : [],
  );
}

/** Whether `a` stands before `b` in Swift's order: that of their bytes in UTF-8. */
export function isBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
}
