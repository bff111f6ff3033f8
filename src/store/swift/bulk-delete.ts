/** Swift's bulk deletion (middleware `bulk`): the names that are sent, and the answer, which is 200 even where nothing was removed. */
import { z } from 'zod';

const answer = z.looseObject({
  'Response Status': z.string(),
  'Number Deleted': z.int().optional(),
  'Number Not Found': z.int().optional(),
  Errors: z.array(z.tuple([z.string(), z.string()])),
});

/** The body of the request: full paths in the account, one a line, URL-encoded. */
export function bulkBody(container: string, objects: readonly string[]): Buffer {
  const lines = objects.map((object) => [container, ...object.split('/')].map(encodeURIComponent).join('/'));
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** What became of a bulk deletion. */
export interface BulkOutcome {
  /** The status that the answer's body states. */
  status: number;
  /** What was not removed: the name as it was sent, decoded, and why. What was not there is no error. */
  errors: { name: string; status: string }[];
}

/** Reads the body of the answer; undefined when it is none. The server may put blank lines before it, to keep the connection alive. */
export function parseBulkAnswer(body: Uint8Array): BulkOutcome | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8').trim());
  } catch {
    return undefined;
  }
  const parsed = answer.safeParse(value);
  if (!parsed.success) return undefined;
  const status = /^(\d{3})/.exec(parsed.data['Response Status'])?.[1];
  if (status === undefined) return undefined;
  return {
    status: Number(status),
    errors: parsed.data.Errors.map(([name, why]) => ({ name: decoded(name), status: why })),
  };
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
