/** A Swift and a Keystone that know each other, started at the same time. */
import { type KeystoneOptions, type KeystoneServer, keystonePlace, startKeystone } from './keystone.ts';
import { type SwiftOptions, type SwiftServer, startSwift } from './swift.ts';

/** Each is there when its promise says so: Swift's is sooner. `stop` waits for both to be up, or to have failed, and ends them. */
export interface Cloud {
  swift: Promise<SwiftServer>;
  keystone: Promise<KeystoneServer>;
  stop(): Promise<void>;
}

export async function startCloud(
  options: { swift?: SwiftOptions; keystone?: KeystoneOptions } = {},
): Promise<Cloud> {
  const place = await keystonePlace();
  const swift = startSwift({ ...options.swift, keystone: place });
  const alone = startKeystone({ ...options.keystone, place });
  const keystone = Promise.all([swift, alone]).then(async ([{ keystoneProxyUrl }, server]) => {
    await server.offerSwift(keystoneProxyUrl ?? '');
    return server;
  });
  keystone.catch(() => undefined);
  return {
    swift,
    keystone,
    stop: async () => {
      const begun = await Promise.allSettled([swift, alone, keystone]);
      const servers = begun.slice(0, 2).flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
