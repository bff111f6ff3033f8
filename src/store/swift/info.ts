/** What a Swift server tells of itself to everyone (`/info`, the discoverability of its middlewares), where it does. */
import { z } from 'zod';
import type { Connection } from './connection.ts';
import { exchange } from './exchange.ts';

/** As far as it was told. */
export interface ServerInfo {
  version: string | undefined;
  /** Bytes of the largest object. */
  maxObjectSize: number | undefined;
  /** Bytes of the longest name of an object. */
  maxNameLength: number | undefined;
  /** Names of one page of a listing. */
  listingLimit: number | undefined;
  /** Names that one bulk deletion takes; undefined where there is none. */
  bulkDeletes: number | undefined;
  /** Whether containers may keep what is overwritten and deleted: by versions, or in a history container. */
  versions: boolean;
  history: boolean;
  quotas: boolean;
}

const count = z.int().min(1).optional().catch(undefined);
const section = z.looseObject({}).optional().catch(undefined);

const schema = z.looseObject({
  swift: z
    .looseObject({
      version: z.string().max(100).optional().catch(undefined),
      max_file_size: count,
      max_object_name_length: count,
      container_listing_limit: count,
    })
    .optional()
    .catch(undefined),
  bulk_delete: z.looseObject({ max_deletes_per_request: count }).optional().catch(undefined),
  object_versioning: section,
  versioned_writes: section,
  container_quotas: section,
  account_quotas: section,
});

/** Asks the server to which the account's URL leads; undefined where it does not tell. Rejects as exchange. */
export async function serverInfo(
  storageUrl: URL,
  connection: Connection,
  signal: AbortSignal,
): Promise<ServerInfo | undefined> {
  const url = new URL('/info', storageUrl);
  const { status, body } = await exchange(
    { method: 'GET', url, headers: {}, what: `asking ${url.href} what the server offers` },
    connection,
    signal,
  );
  if (status !== 200) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { swift, bulk_delete: bulk, ...rest } = parsed.data;
  return {
    version: swift?.version,
    maxObjectSize: swift?.max_file_size,
    maxNameLength: swift?.max_object_name_length,
    listingLimit: swift?.container_listing_limit,
    bulkDeletes: bulk?.max_deletes_per_request,
    versions: rest.object_versioning !== undefined,
    history: rest.versioned_writes !== undefined,
    quotas: rest.container_quotas !== undefined || rest.account_quotas !== undefined,
  };
}
