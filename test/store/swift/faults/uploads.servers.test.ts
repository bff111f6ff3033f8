/** Uploads that go wrong: answers that are no success, bodies that are altered or cut, answers that are lost. */
import { describe, expect, test } from 'vitest';
import { Throttle } from '../../../../src/store/throttle.ts';
import * as faulty from '../../../servers/faulty-path.ts';
import { always, half, head, nth, once, put } from '../../../servers/faulty-path.ts';
import { describeWithSwift } from '../../../servers/servers.ts';
import { behindPath, body, type Faulty, PASSING, says } from './around.ts';

const NAME = 'town/vol-1';

/** Puts an object, which must go well, and makes sure that it is there as it was sent; how many requests that took. */
async function stored(
  { store, truth, requests }: Faulty,
  given = body(),
): Promise<{ puts: number; heads: number }> {
  await store.put(NAME, given.pieces, { md5: given.md5 });
  expect(Buffer.compare((await truth.get(NAME, given.whole.length)) ?? Buffer.alloc(0), given.whole)).toBe(0);
  return { puts: requests(put()).length, heads: requests(head()).length };
}

/** Puts an object, which must be refused with nothing stored. */
async function refused({ store, truth, refusal }: Faulty, md5 = body().md5) {
  const error = await refusal(store.put(NAME, body().pieces, { md5 }));
  expect(error.object).toBe(NAME);
  expect(await truth.stat(NAME)).toBeUndefined();
  return error;
}

describeWithSwift('an upload', (swift) => {
  describe('that the server asks to repeat', () => {
    test.each(PASSING)('with %i is sent once more, from its start', async (code) => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, says(code));
      expect((await stored(at)).puts).toBe(2);
      expect(fault.acted).toBe(1);
      expect(at.requests(put()).map(({ received }) => received)).toEqual([300_000, 300_000]);
      expect(at.waits).toHaveLength(1);
      expect(at.waits[0]).toBeGreaterThanOrEqual(500);
      expect(at.waits[0]).toBeLessThanOrEqual(1000);
      expect(at.retries).toEqual([
        expect.stringMatching(new RegExp(`${NAME}.*answered ${code}.*trying again in`)),
      ]);
    });

    test.each(PASSING)('with %i, for good, is given up with a clear error', async (code) => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), says(code));
      const { code: kind, message } = await refused(at);
      expect(kind).toBe('store');
      expect(message).toContain(`the server answered ${code}`);
      expect(message).toContain(`given up: tried ${fault.acted} times within 20 s`);
      expect(at.waits.reduce((sum, wait) => sum + wait)).toBe(20_000);
    });

    test.each([
      ['seconds', { 'retry-after': '7' }, 7000],
      [
        'a time of its clock',
        { date: 'Wed, 25 Nov 2020 03:00:00 GMT', 'retry-after': 'Wed, 25 Nov 2020 03:00:12 GMT' },
        12_000,
      ],
    ])('after a while (Retry-After: %s) waits for that', async (_, headers, wait) => {
      const at = await behindPath(swift());
      at.path.on(put(), once, says(503, headers));
      expect((await stored(at)).puts).toBe(2);
      expect(at.waits).toEqual([wait]);
    });

    test('after more than there is time for is given up at once, and that is said', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), nth(1), says(503));
      at.path.on(put(), nth(2), says(503, { 'retry-after': '20' }));
      expect((await refused(at)).message).toContain(
        'tried 2 times within 1 s, and the server asks to wait 20 s, longer than the deadline leaves',
      );
      expect(at.waits).toHaveLength(1);
    });

    test('over a line so slow that a transfer takes longer than the deadline is sent as often as over a quick one', async () => {
      const clock = { now: 0 };
      const sleep = async (milliseconds: number) => {
        clock.now += milliseconds;
      };
      const throttle = new Throttle(10_000, { now: () => clock.now, sleep });
      const at = await behindPath(swift(), { clock, throttle });
      const fault = at.path.on(put(), says(503));
      const { message } = await refused(at);
      expect(at.waits.reduce((sum, wait) => sum + wait)).toBeCloseTo(20_000);
      expect(fault.acted).toBeGreaterThanOrEqual(5);
      const [, seconds] = /within (\d+) s/.exec(message) ?? [];
      expect(Number(seconds)).toBeGreaterThanOrEqual(fault.acted * 29);
    });

    test('while the body is still on its way is not sent to its end, and then sent from its start', async () => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, faulty.status(503, { early: true }));
      const large = body(16 << 20);
      expect((await stored(at, large)).puts).toBe(2);
      expect(fault.acted).toBe(1);
      expect(at.requests(put())[1]?.received).toBe(16 << 20);
    });
  });

  describe('that is not what it seems', () => {
    test('"accepted" (202) is not stored: it is sent once more', async () => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, says(202));
      expect(await stored(at)).toEqual({ puts: 2, heads: 1 });
      expect(fault.acted).toBe(1);
      expect(at.retries[0]).toContain('the server took it, but has not stored it (202)');
    });

    test('"accepted" (202) though it is stored: a look at it shows so', async () => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, faulty.changeStatus(202));
      expect(await stored(at)).toEqual({ puts: 1, heads: 1 });
      expect(fault.acted).toBe(1);
    });

    test('"accepted" (202) again and again is no success', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), says(202));
      expect(await refused(at)).toMatchObject({
        code: 'store',
        message: expect.stringContaining('has not stored it'),
      });
    });

    test.each([200, 204])('%i is no success', async (code) => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), says(code));
      await refused(at);
      expect(fault.acted).toBeGreaterThanOrEqual(1);
    });

    test('"created" (201) without or with another ETag is no success', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), nth(1), says(201));
      at.path.on(put(), nth(2), says(201, { etag: body(10).md5 }));
      expect((await stored(at)).puts).toBe(3);
      expect(at.retries).toHaveLength(2);
    });

    test('an object that was there before under the name is not taken for the new one', async () => {
      const at = await behindPath(swift());
      await at.truth.put(NAME, body(300_000, 'former').pieces, { md5: body(300_000, 'former').md5 });
      const fault = at.path.on(put(), once, says(202));
      expect(await stored(at)).toEqual({ puts: 2, heads: 1 });
      expect(fault.acted).toBe(1);
    });
  });

  describe('that is altered on its way', () => {
    test('is refused by Swift (422), and sent once more', async () => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, faulty.corruptUpload(200_000));
      expect((await stored(at)).puts).toBe(2);
      expect(fault.acted).toBe(1);
      expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([422, 201]);
      expect(at.retries[0]).toContain('it was altered on its way (422)');
    });

    test('each time is given up, and nothing of it stored', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), faulty.corruptUpload(-1));
      expect(await refused(at)).toMatchObject({ code: 'store', message: expect.stringContaining('altered') });
    });

    test('in the memory of this machine, before it was sent, is refused at once', async () => {
      const at = await behindPath(swift());
      const { message } = await refused(at, body(10).md5);
      expect(message).toContain('check the memory of this machine');
      expect(at.requests(put()).map(({ upstream }) => upstream)).toEqual([422]);
      expect(at.waits).toEqual([]);
    });
  });

  describe('whose connection', () => {
    test.each([
      ['is cut before anything was sent', faulty.cutBefore()],
      ['is reset in its body', faulty.cutInBody(half, 'reset')],
      ['is closed in its body', faulty.cutInBody(half, 'close')],
      ['is cut before its last byte', faulty.cutInBody(299_999)],
      ['ends without an answer', faulty.cutBefore('close')],
    ])('%s is sent once more, from its start', async (_, cut) => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, cut);
      expect((await stored(at)).puts).toBe(2);
      expect(fault.acted).toBe(1);
      expect(at.requests(put())[1]?.received).toBe(300_000);
      expect(at.retries).toEqual([expect.stringMatching(/cut off|connection/)]);
    });

    test('brought only a part of it (499) is sent once more', async () => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, says(499));
      expect((await stored(at)).puts).toBe(2);
      expect(fault.acted).toBe(1);
      expect(at.retries[0]).toContain('cut short on its way (499)');
    });

    test.each([
      ['is reset', faulty.loseAnswer('reset')],
      ['is closed', faulty.loseAnswer('close')],
    ])('%s when all was stored: a look at it shows so, and nothing is sent again', async (_, lose) => {
      const at = await behindPath(swift());
      const fault = at.path.on(put(), once, lose);
      expect(await stored(at)).toEqual({ puts: 1, heads: 1 });
      expect(fault.acted).toBe(1);
    });

    test('is reset when all was stored, and whose look at it fails too, is not sent again either', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), once, faulty.loseAnswer());
      const second = at.path.on(head(), once, faulty.cutBefore());
      expect(await stored(at)).toEqual({ puts: 1, heads: 2 });
      expect(second.acted).toBe(1);
    });

    test('is reset in its body, and whose refusal shows in a look at it, is not sent again', async () => {
      const at = await behindPath(swift());
      const cut = at.path.on(put(), faulty.cutInBody(half));
      at.path.on(head(), says(403));
      expect((await at.refusal(at.store.put(NAME, body().pieces, body()))).message).toContain('(403)');
      expect(cut.acted).toBe(1);
      expect(at.waits).toHaveLength(1);
    });

    test('is cut each time is given up, and nothing of it stored', async () => {
      const at = await behindPath(swift());
      at.path.on(put(), always, faulty.cutInBody(half));
      expect(await refused(at)).toMatchObject({ code: 'store', message: expect.stringContaining('cut off') });
    });
  });
});
