/** Looks for what else a store holds, where it has no points of a strategy: to say what may be wrong with the name or the store. */
import { fromText, show } from '../format/bytes.ts';
import type { StrategyNames } from '../format/names.ts';
import type { Store } from '../store/store.ts';

/** Objects that are looked at, at most. */
const LOOKS = 1000;
/** Names that are told, at most. */
const TOLD = 5;

/** The name of an object of some strategy, after the strategy's folder. */
const OBJECT = /^(?:(.+)\/)?(?:(?:commits|sets)\/\d{10,16}-[0-9a-f]{32}|keys\/[0-9A-F]{40,64}\.)/;

/** Why there may be no points, and what to do: the end of a message. Reads the beginning of a listing. */
export async function whyNoPoints(store: Store, names: StrategyNames): Promise<string> {
  const found = new Set<string>();
  let left = LOOKS;
  for await (const { name } of store.list('', { namesOnly: true })) {
    if (name.startsWith(names.keys)) return 'its host has been set up, and has made no backup yet';
    const object = OBJECT.exec(name);
    if (object !== null) {
      const folders = object[1]?.split('/');
      const strategy = folders?.pop();
      if (folders === undefined)
        return 'it looks like the folder of one strategy: the store is the folder above it';
      found.add(folders.length === 0 ? `${strategy}` : `${strategy} (in ${folders.join('/')})`);
    }
    left -= 1;
    if (left === 0 || found.size === TOLD) break;
  }
  if (found.size === 0) return 'check the name and the store';
  return `check the name and the store, which holds ${[...found].map((text) => show(fromText(text))).join(', ')}`;
}
