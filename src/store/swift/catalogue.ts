/** Chooses the object store in the catalogue of services that Keystone gives. Pure. */

import { HoldfastError } from '../../errors.ts';
import type { Interface } from './credentials/credentials.ts';

/** A service of a cloud, as Keystone's catalogue has it. */
export interface Service {
  type: string;
  endpoints: readonly Endpoint[];
}

export interface Endpoint {
  interface: string;
  region?: string | null | undefined;
  region_id?: string | null | undefined;
  url: string;
}

export interface Wish {
  region: string | undefined;
  interface: Interface;
  allowedRegions: readonly string[] | undefined;
}

/** No more names than this are told in a message. */
const MOST_NAMED = 10;

/**
 * The endpoint of the object store. Of several in one region the first is taken, as all OpenStack clients do. Throws
 * HoldfastError: `store` when the cloud offers none, `strategy` when the region must be chosen, is not there, or is not
 * allowed.
 */
export function chooseEndpoint(
  catalogue: readonly Service[],
  wish: Wish,
): { url: string; region: string | undefined } {
  const endpoints = catalogue
    .filter(({ type }) => type === 'object-store')
    .flatMap((service) => service.endpoints)
    .map((endpoint) => ({ ...endpoint, name: endpoint.region_id ?? endpoint.region ?? undefined }));
  if (endpoints.length === 0) {
    throw new HoldfastError(
      'store',
      'the cloud offers this project no object store: ask whoever runs the cloud, or use another project',
    );
  }
  const offered = endpoints.filter((endpoint) => endpoint.interface === wish.interface);
  if (offered.length === 0) {
    throw new HoldfastError(
      'strategy',
      `the object store of the cloud has no ${wish.interface} endpoint: choose another store.swift.interface (${list(endpoints.map((endpoint) => endpoint.interface))})`,
    );
  }
  const regions = offered.map(({ name }) => name);
  if (wish.region === undefined && new Set(regions).size > 1) {
    throw new HoldfastError(
      'strategy',
      `the object store is offered in several regions: choose one with store.swift.region (${list(regions)})`,
    );
  }
  const chosen = offered.find(({ name }) => wish.region === undefined || name === wish.region);
  if (chosen === undefined) {
    throw new HoldfastError(
      'strategy',
      `the object store is not offered in region ${quoted(wish.region)}, only in ${list(regions)}: correct store.swift.region (or region_name, OS_REGION_NAME)`,
    );
  }
  refuseRegion(chosen.name, wish.allowedRegions);
  return { url: chosen.url, region: chosen.name };
}

/** Throws HoldfastError `strategy` for a region in which the strategy does not let the store lie. */
export function refuseRegion(region: string | undefined, allowed: readonly string[] | undefined): void {
  if (allowed === undefined || (region !== undefined && allowed.includes(region))) return;
  throw new HoldfastError(
    'strategy',
    `the object store lies in region ${quoted(region)}, but store.swift.allowedRegions has only ${list(allowed)}: nothing was sent there; choose another region, or allow this one`,
  );
}

function list(names: readonly (string | undefined)[]): string {
  const different = [...new Set(names)];
  const more = different.length > MOST_NAMED ? ` and ${different.length - MOST_NAMED} more` : '';
  return different.slice(0, MOST_NAMED).map(quoted).join(', ') + more;
}

/** Names come from the server: on one line, and not for ever. */
function quoted(name: string | undefined): string {
  if (name === undefined) return '(without a name)';
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
