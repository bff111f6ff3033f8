/** Where the tools store: folders, or containers of a Swift that is started for it. Says how much lies there. */
import { join } from 'node:path';
import { type SwiftServer, startSwift } from '../servers/swift.ts';
import type { Container } from './tools/tool.ts';
import { tally } from './tree.ts';

/** A place for stores, for one round. */
export interface Target {
  /** A store that is not there yet. */
  store(name: string): string | Container;
  /** Bytes in it; 0 where it is not there. */
  size(store: string | Container): Promise<number>;
  /** Gives back what it holds; folders go with the folder that they are in. */
  end(): Promise<void>;
}

export const TARGETS = ['directory', 'swift'] as const;
export type TargetName = (typeof TARGETS)[number];

/** `folder` is where stores in folders go. */
export async function openTarget(name: TargetName, folder: string): Promise<Target> {
  if (name === 'directory') {
    return {
      store: (own) => join(folder, own, 'store'),
      size: async (store) => {
        try {
          return tally(store as string).bytes;
        } catch {
          return 0;
        }
      },
      end: async () => undefined,
    };
  }
  const swift = await startSwift();
  const { authUrl, user, key } = swift;
  return {
    store: (own) => ({ container: own, authUrl, user, key }),
    size: (store) => containerSize(swift, (store as Container).container),
    end: () => swift.stop(),
  };
}

/** By a listing to its end: the sums that Swift keeps itself lag behind. */
async function containerSize({ authUrl, user, key }: SwiftServer, container: string): Promise<number> {
  const signedIn = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
  const headers = { 'x-auth-token': signedIn.headers.get('x-auth-token') ?? '' };
  let [sum, marker] = [0, ''];
  for (;;) {
    const query = `format=json&marker=${encodeURIComponent(marker)}`;
    const answer = await fetch(`${signedIn.headers.get('x-storage-url')}/${container}?${query}`, { headers });
    if (answer.status === 404) return 0;
    if (!answer.ok) throw new Error(`the listing of ${container}: ${answer.status}`);
    const page = (await answer.json()) as { name: string; bytes: number }[];
    if (page.length === 0) return sum;
    for (const { bytes } of page) sum += bytes;
    marker = page.at(-1)?.name ?? '';
  }
}
