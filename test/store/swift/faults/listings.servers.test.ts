/** Listings that are long, cut, late or wrong. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import * as faulty from '../../../servers/faulty-path.ts';
import { half, listing, nth, once } from '../../../servers/faulty-path.ts';
import { loseObject } from '../../../servers/lose-object.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import type { SwiftAddress } from '../../../servers/swift.ts';
import { listed, put } from '../../contract.ts';
import { behindPath, type Faulty, PASSING, says } from './around.ts';

const MANY = 12_000;
const name = (i: number) => `town/sets/${String(i % 9).padStart(10, '0')}-ü/vol-${i}`;

/** Enters objects into the database of a container, as the object servers would: Swift's own library, without the objects' content. */
const ENTER = `
import glob, sys
from swift.common import utils
from swift.common.utils import Timestamp
from swift.container.backend import ContainerBroker
folder, device, account, container, prefix = sys.argv[1:]
utils.set_swift_dir(folder)
hashed = utils.hash_path(account, container)
(database,) = glob.glob(f'{folder}/devices/{device}/containers/*/*/{hashed}/{hashed}.db')
broker = ContainerBroker(database, account=account, container=container)
now = Timestamp.now().internal
broker.merge_items([dict(name=f'{prefix}/{line.rstrip()}', created_at=now, size=7, content_type='application/octet-stream',
    etag='d41d8cd98f00b204e9800998ecf8427e', deleted=0, storage_policy_index=0) for line in sys.stdin.buffer.read().decode().splitlines()])
`;

function enter(
  { folder }: SwiftAddress,
  { container, session }: Faulty,
  prefix: string,
  names: readonly string[],
) {
  const account = session.signedIn?.storageUrl.pathname.split('/').at(-1) ?? '';
  execFileSync('/usr/bin/python3', ['-c', ENTER, folder, 'd1', account, container, prefix], {
    input: names.join('\n'),
  });
}

async function names({ store }: Faulty, prefix = 'town/'): Promise<string[]> {
  return (await listed(store, prefix)).map((object) => object.name);
}

describeWithSwift('a listing', (swift) => {
  describe('of 12,000 objects', () => {
    const all = Array.from({ length: MANY }, (_, i) => name(i)).sort((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );

    test('is complete, in order, and asked for in pages', async () => {
      const at = await behindPath(swift(), { prefix: 'web01' });
      enter(swift(), at, 'web01', [...all, 'town/other', 'zoo']);
      enter(swift(), at, 'web02', ['town/sets/not ours']);
      expect(await names(at, 'town/sets/')).toEqual(all);
      expect(at.requests(listing()).map(({ query }) => query.get('marker'))).toEqual([
        null,
        `web01/${all[9999]}`,
        `web01/${all.at(-1)}`,
      ]);
      expect((await listed(at.store, '')).every(({ size }) => size === 7)).toBe(true);
    });

    test('is complete though pages are cut, lost and refused', async () => {
      const at = await behindPath(swift(), { prefix: 'web01' });
      enter(swift(), at, 'web01', all);
      const faults = [
        at.path.on(listing(), nth(1), faulty.truncateAnswer(half)),
        at.path.on(listing(), nth(2), faulty.loseAnswer()),
        at.path.on(listing(), nth(4), faulty.truncateAnswer(half, 'reset')),
        at.path.on(listing(), nth(5), faulty.expireToken()),
        at.path.on(listing(), nth(7), says(503)),
      ];
      expect(await names(at, 'town/sets/')).toEqual(all);
      expect(faults.map(({ acted }) => acted)).toEqual([1, 1, 1, 1, 1]);
    });
  });

  describe('whose pages are larger than it is safe to hold', () => {
    const large = says(200, { 'content-length': String(50_000_000) }, '[]');
    const unlimited = faulty.all(listing(), ({ query }) => !query.has('limit'));

    test('is asked for in pages of 10,000 names', async () => {
      const at = await behindPath(swift());
      for (const one of ['town/a', 'town/b']) await put(at.truth, one, 'x');
      const rule = at.path.on(unlimited, large);
      for (let i = 0; i < 2; i++) expect(await names(at)).toEqual(['town/a', 'town/b']);
      expect(rule.acted).toBe(1);
      expect(at.requests(listing()).map(({ query }) => query.get('limit'))).toEqual([
        null,
        ...Array.from({ length: 4 }, () => '10000'),
      ]);
      expect(at.waits).toEqual([]);
    });

    test('whatever is asked for, is no listing', async () => {
      const at = await behindPath(swift());
      at.path.on(listing(), large);
      expect((await at.refusal(listed(at.store, ''))).message).toContain('too large to be Swift');
    });
  });

  test('that is refused with 412 says nothing of a history', async () => {
    const at = await behindPath(swift());
    at.path.on(listing(), says(412));
    const { message } = await at.refusal(listed(at.store, ''));
    expect(message).toContain('the server answered 412;');
    at.path.on(faulty.put(), says(412));
    expect((await at.refusal(put(at.store, 'town/a', 'x'))).message).toContain('X-History-Location');
  });

  const faults: [string, faulty.Action][] = [
    ...PASSING.map((code): [string, faulty.Action] => [`is answered ${code}`, says(code)]),
    ['is cut short', faulty.truncateAnswer(half)],
    ['is cut short, and says it is whole', faulty.shortAnswer(half)],
    ['is empty, and says it is whole', faulty.shortAnswer(0)],
    ['gets no answer', faulty.cutBefore('close')],
    ["gets a proxy's page", faulty.html()],
    ["gets a proxy's 404", faulty.status(404)],
    ["gets a proxy's 204", faulty.status(204)],
    ['is JSON, and no listing', faulty.status(200, { body: '{"login":"please"}' })],
  ];
  test.each(faults)('that %s is repeated, and never taken for whole', async (_, fault) => {
    const at = await behindPath(swift());
    for (const one of ['town/a', 'town/b']) await put(at.truth, one, 'x');
    const rule = at.path.on(listing(), once, fault);
    expect(await names(at)).toEqual(['town/a', 'town/b']);
    expect(rule.acted).toBe(1);
    expect(at.waits).toHaveLength(1);
    at.path.on(listing(), fault);
    expect((await at.refusal(listed(at.store, 'town/'))).code).toBe('store');
  });

  test.each([
    ['in another order', '[{"name":"town/b","bytes":1},{"name":"town/a","bytes":1}]'],
    ['twice', '[{"name":"town/a","bytes":1},{"name":"town/a","bytes":1}]'],
    ['that were not asked for', '[{"name":"other/a","bytes":1}]'],
  ])('with names %s is refused', async (_, page) => {
    const at = await behindPath(swift());
    const rule = at.path.on(listing(), says(200, {}, page));
    expect((await at.refusal(listed(at.store, 'town/'))).message).toContain(
      'not in order, or not what was asked for',
    );
    expect(rule.acted).toBe(1);
  });

  test('that lags or has ghosts says so much, and a look at an object says the truth', async () => {
    const at = await behindPath(swift());
    for (const one of ['town/a', 'town/b']) await put(at.truth, one, 'x');
    const rules = [
      at.path.on(listing(), once, faulty.delayListing(/town\/a/)),
      at.path.on(listing(), faulty.ghost('town/c')),
    ];
    expect(await names(at)).toEqual(['town/b', 'town/c']);
    // The page that ends the listing shows no more of them.
    expect(rules.map(({ acted }) => acted)).toEqual([1, 2]);
    expect(await at.store.stat('town/a')).toMatchObject({ size: 1 });
    expect(await at.store.stat('town/c')).toBeUndefined();
    expect(await at.store.get('town/c', 100)).toBeUndefined();
    await at.store.remove(['town/c']);
  });

  test('shows an object with its right size after the servers have lost it, which a look at it tells', async () => {
    const at = await behindPath(swift(), { prefix: 'web01' });
    for (const one of ['town/a', 'town/b']) await put(at.truth, one, 'xyz');
    loseObject(swift(), at.container, 'web01/town/a');
    expect(await listed(at.store, 'town/')).toEqual([
      { name: 'town/a', size: 3 },
      { name: 'town/b', size: 3 },
    ]);
    expect(at.store.listingsMayLie).toBe(true);
    expect(await at.store.stat('town/a')).toBeUndefined();
    expect(await at.store.stat('town/b')).toMatchObject({ size: 3 });
  });
});
