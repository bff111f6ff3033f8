/** The URL of the object store as a server names it: checked before anything is sent there. */

import { HoldfastError } from '../../errors.ts';
import { refusePlain } from './connection.ts';

/**
 * The URL, without a slash at its end. `what` names it in messages. Throws HoldfastError `store` when it is none, and
 * `strategy` when it is plain http to another machine.
 */
export function endpointUrl(written: string, insecure: boolean, what: string): URL {
  const url = written.length > 2048 ? null : URL.parse(written);
  const whole =
    url !== null && ['http:', 'https:'].includes(url.protocol) && url.search === '' && url.hash === '';
  if (!whole || url.username !== '' || url.password !== '') {
    throw new HoldfastError('store', `${what} is no URL that can be used; ask whoever runs the cloud`);
  }
  refusePlain(url, insecure, what);
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}
