import { expect, it } from 'vitest';
import { temporaryFolder } from '../helpers/temporary.ts';
import { announce, meet } from './rendezvous.ts';
import type { SwiftAddress } from './swift.ts';

it('hands over an address to whoever waited, and to whoever comes later', async () => {
  const folder = await temporaryFolder();
  const address = { authUrl: 'http://there', proxyPort: 1 } as SwiftAddress;
  const early = meet(folder, 'swift');
  await announce(folder, 'swift', Promise.resolve(address));
  expect(await early).toEqual(address);
  expect(await meet(folder, 'swift')).toEqual(address);
});

it('hands over what a server failed with', async () => {
  const folder = await temporaryFolder();
  await announce(folder, 'keystone', Promise.reject(new Error('no room')));
  await expect(meet(folder, 'keystone')).rejects.toThrow("the run's keystone server did not start: no room");
});
