/** Removals that go wrong, one by one and in bulk: what is not gone is never taken for gone. */
import { describe, expect, test } from 'vitest';
import * as faulty from '../../../servers/faulty-path.ts';
import { bulkDelete, del, once } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import type { SwiftAddress } from '../../../servers/swift.ts';
import { listed, put } from '../../contract.ts';
import { behindPath, type Faulty, says } from './around.ts';

const NAMES = ['town/a', 'town/b ü%#?', 'town/c'];

async function withObjects(swift: SwiftAddress): Promise<Faulty> {
  const at = await behindPath(swift, { prefix: 'web 01' });
  for (const name of [...NAMES, 'town/kept']) await put(at.truth, name, name);
  return at;
}

async function left({ truth }: Faulty): Promise<string[]> {
  return (await listed(truth, '')).map(({ name }) => name);
}

describeWithSwift('a removal', (swift) => {
  test.each([
    ['loses its answer', faulty.loseAnswer()],
    ['gets no answer', faulty.cutBefore()],
    ['is answered 503', says(503)],
    ["gets a proxy's page", faulty.html()],
    ["gets a proxy's 404", faulty.status(404)],
  ])('that %s is repeated', async (_, fault) => {
    const at = await withObjects(swift());
    const rule = at.path.on(del(), once, fault);
    await at.store.remove(['town/a']);
    expect(rule.acted).toBe(1);
    expect(at.requests(del())).toHaveLength(2);
    expect(await left(at)).toEqual([...NAMES.slice(1), 'town/kept']);
  });

  test('that is not allowed says so, and what to do', async () => {
    const at = await withObjects(swift());
    at.path.on(del(), says(403));
    const error = await at.refusal(at.store.remove(['town/a']));
    expect(error).toMatchObject({ code: 'store', message: expect.stringContaining('may not delete from') });
    expect(at.requests(del())).toHaveLength(1);
  });

  describe('of many at once', () => {
    test.each([
      ['failed as a whole, with 200', faulty.bulkDeleteFails('400 Bad Request', '403 Forbidden')],
      ['failed for each, with 200 and a good status', faulty.bulkDeleteFails('200 OK', '500 Internal Error')],
      ["got a proxy's page", faulty.html()],
    ])('that %s is done one by one', async (_, fault) => {
      const at = await withObjects(swift());
      const rule = at.path.on(bulkDelete(), fault);
      await at.store.remove(NAMES);
      expect(rule.acted).toBe(1);
      expect(at.requests(del())).toHaveLength(NAMES.length);
      expect(await left(at)).toEqual(['town/kept']);
    });

    test.each([401, 403, 405])(
      'that is refused with %i is done one by one, and not asked for again',
      async (status) => {
        // As to an application credential whose access rules allow nothing but what is needed.
        const at = await withObjects(swift());
        at.path.on(bulkDelete(), says(status));
        await at.store.remove(NAMES.slice(0, 2));
        const asked = at.requests(bulkDelete()).length;
        await at.store.remove([...NAMES, 'town/kept']);
        expect(at.requests(bulkDelete())).toHaveLength(asked);
        expect(await left(at)).toEqual([]);
      },
    );

    test('that fails with 200, and one by one too, says what is not gone and why', async () => {
      const at = await withObjects(swift());
      at.path.on(bulkDelete(), faulty.bulkDeleteFails());
      at.path.on(del(/town\/b/), says(403));
      const error = await at.refusal(at.store.remove(NAMES));
      expect(error.message).toContain('town/b ü%#? cannot be removed: refused (403)');
      expect(await left(at)).toContain('town/b ü%#?');
    });

    test.each([
      ['is answered 503', says(503)],
      ['gets no answer', faulty.cutBefore()],
      ['loses its answer', faulty.loseAnswer()],
      ['has its answer cut short', faulty.truncateAnswer(20)],
    ])('that %s is repeated', async (_, fault) => {
      const at = await withObjects(swift());
      const rule = at.path.on(bulkDelete(), once, fault);
      await at.store.remove(NAMES);
      expect(rule.acted).toBe(1);
      expect(at.requests(bulkDelete())).toHaveLength(2);
      expect(at.requests(del())).toHaveLength(0);
      expect(await left(at)).toEqual(['town/kept']);
    });
  });
});
