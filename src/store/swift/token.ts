/** Tokens as servers hand them out. */

import { HoldfastError } from '../../errors.ts';

/** Node and Swift take no longer headers. */
const LONGEST = 8192;

/** The token, when it can be sent back in a header as it is. Throws HoldfastError `store`. Never shows it. */
export function tokenIn(header: string | string[] | undefined, what: string): string {
  if (typeof header === 'string' && header.length <= LONGEST && /^[\x21-\x7e]+$/.test(header)) return header;
  throw new HoldfastError('store', `${what}: the answer holds no token that can be used; check the auth URL`);
}
