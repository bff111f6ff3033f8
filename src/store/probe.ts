/** Tries out what may be done in a store: a small object is stored, read back, listed and removed. Leaves nothing behind, unless it says so. */
import { hash } from 'node:crypto';
import type { HoldfastError } from '../errors.ts';
import { type Finding, type Findings, lookAt } from '../finding.ts';
import { StrategyNames } from '../format/names.ts';
import type { Examination } from './examination.ts';
import { firstName, type Store } from './store.ts';

/** What is tried, with the words for an error of the store. */
export interface Probed
  extends Pick<
    Examination,
    'strategy' | 'task' | 'readOnly' | 'expected' | 'points' | 'patience' | 'random'
  > {
  store: Store;
  words: (error: HoldfastError) => string;
}

/** Where probes lie, below the strategy's own folder: no reader takes anything there for part of a point. */
export function probeFolder(strategy: string): string {
  return `${strategy}/.doctor/`;
}

const CONTENT = Buffer.from(
  'This was written by "holdfast doctor" to see whether it can be. It may be removed.\n',
);

/** Stores and removes a probe, or only reads; looks for the object that is expected, and at the points. */
export async function* probe(probed: Probed): Findings {
  yield* permissions(probed);
  yield* expectation(probed);
  if (probed.points !== undefined) yield* probed.points(probed);
}

async function* permissions(probed: Probed): Findings {
  if (probed.readOnly) {
    yield* readOnly(probed);
    return;
  }
  const { store, strategy, task, patience, random, words } = probed;
  const folder = probeFolder(strategy);
  const name = `${folder}${random()}`;
  const put = store.put(name, [CONTENT], { md5: hash('md5', CONTENT) });
  const written = await lookAt(`store ${store.label}: ${name} cannot be stored`, patience, put);
  if ('error' in written) {
    // It may have arrived all the same, and only the answer been lost.
    await lookAt('', patience, store.remove([name]));
    yield task === 'restore'
      ? { subject: 'write', state: 'note', what: words(written.error), advice: 'a restore does not need it' }
      : { subject: 'write', state: 'bad', what: words(written.error) };
    yield* readOnly(probed);
    return;
  }
  const failures: Finding[] = [];
  const read = await lookAt(
    `store ${store.label}: ${name} cannot be read`,
    patience,
    store.get(name, 1 << 20),
  );
  if ('error' in read) failures.push({ subject: 'read', state: 'bad', what: words(read.error) });
  else if (read.value === undefined || !CONTENT.equals(read.value)) {
    const what = `store ${store.label}: ${name} was stored and confirmed, but what is read back is ${read.value === undefined ? 'nothing' : 'something else'}`;
    failures.push({
      subject: 'read',
      state: 'bad',
      what,
      advice: 'ask whoever runs the store; it cannot be relied upon',
    });
  }
  const listed = await lookAt(`store ${store.label}: cannot be listed`, patience, namesIn(store, folder));
  if ('error' in listed) failures.push({ subject: 'list', state: 'bad', what: words(listed.error) });
  const removed = await lookAt(
    `store ${store.label}: ${name} cannot be removed`,
    patience,
    store.remove([name]),
  );
  if ('error' in removed) {
    const advice =
      'the probe is left there: remove it by other means. Backups go on all the same, but what unfinished ones leave behind stays';
    failures.push({ subject: 'delete', state: 'warning', what: words(removed.error), advice });
  }
  yield* failures;
  if (failures.length === 0) {
    yield {
      subject: 'permissions',
      state: 'good',
      what: 'a probe object was stored, read back, listed and removed',
    };
  }
  const left = 'value' in listed ? listed.value.filter((found) => found !== name) : [];
  if (left.length > 0) {
    const what = `${left.length} probe ${left.length === 1 ? 'object' : 'objects'} of other runs of "holdfast doctor" in ${folder}`;
    yield {
      subject: 'probes',
      state: 'note',
      what,
      advice: 'unless one runs right now, they can be removed',
    };
  }
}

/** Lists, and looks at one object, where there is one. */
async function* readOnly({ store, strategy, patience, readOnly: isWished, words }: Probed): Findings {
  const listed = await lookAt(
    `store ${store.label}: cannot be listed`,
    patience,
    firstName(store, `${strategy}/`),
  );
  if ('error' in listed) {
    yield { subject: 'list', state: 'bad', what: words(listed.error) };
    return;
  }
  const unknown = isWished ? '; --read-only: whether it can be written to was not tried' : '';
  if (listed.value === undefined) {
    const what = `the store can be listed, and holds nothing of ${strategy}${unknown}`;
    yield { subject: 'read', state: 'note', what };
    return;
  }
  const name = listed.value;
  const seen = await lookAt(`store ${store.label}: ${name} cannot be looked at`, patience, store.stat(name));
  if ('error' in seen) yield { subject: 'read', state: 'bad', what: words(seen.error) };
  else yield { subject: 'read', state: 'good', what: `the store can be listed and read${unknown}` };
}

/** Shows a store that is not the one to which this host has backed up, or from which something was taken. */
async function* expectation(probed: Probed): Findings {
  const { store, expected, patience, words } = probed;
  if (probed.task === 'restore') yield* pointsFinding(probed);
  if (expected === undefined) return;
  const subject = 'newest point';
  const seen = await lookAt(
    `store ${store.label}: ${expected} cannot be looked at`,
    patience,
    store.stat(expected),
  );
  if ('error' in seen) yield { subject, state: 'bad', what: words(seen.error) };
  else if (seen.value !== undefined) {
    yield { subject, state: 'good', what: `its commit ${expected} is in the store` };
    yield* laterFinding(probed, expected);
  } else {
    const what = `store ${store.label}: ${expected}, the commit of the newest point that was made here, is not there`;
    const advice =
      'is this the right store, with the right prefix? If it is, somebody has removed points: "holdfast points" tells what is left';
    yield { subject, state: 'bad', what, advice };
  }
}

/** Points that are newer than the newest one of the index: the next backup takes them for those of another host. */
async function* laterFinding({ store, strategy, patience }: Probed, expected: string): Findings {
  const names = new StrategyNames(strategy);
  const own = names.parseCommit(expected)?.seq ?? 0;
  const newest = async () => {
    let seq = 0;
    for await (const { name } of store.list(names.commits, { namesOnly: true }))
      seq = Math.max(seq, names.parseCommit(name)?.seq ?? 0);
    return seq;
  };
  const listed = await lookAt(`store ${store.label}: cannot be listed`, patience, newest());
  // That it cannot be listed was said before.
  if ('error' in listed || listed.value <= own) return;
  const what = `store ${store.label}: it holds point ${listed.value} already, of which the index of this machine knows nothing: the next backup stops, or begins a new chain`;
  const advice =
    'is there another machine that writes here, or another state folder (--state-dir, HOLDFAST_STATE_DIR, another user)? Use one alone; "holdfast backup" says how to go on';
  yield { subject: 'newest point', state: 'bad', what, advice };
}

/** A store without any commit is most likely the wrong one, where somebody wants to restore. */
async function* pointsFinding({ store, strategy, patience }: Probed): Findings {
  const { commits } = new StrategyNames(strategy);
  const listed = await lookAt(`store ${store.label}: cannot be listed`, patience, firstName(store, commits));
  // That it cannot be listed was said before.
  if ('error' in listed || listed.value !== undefined) return;
  const what = `store ${store.label}: there are none of a strategy named ${strategy}`;
  yield {
    subject: 'points',
    state: 'warning',
    what,
    advice: 'check the name, and the store with its prefix',
  };
}

/** Names in a folder; of many, the first thousand. */
async function namesIn(store: Store, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(folder, { namesOnly: true })) if (names.push(name) >= 1000) break;
  return names;
}
