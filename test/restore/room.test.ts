import { expect, test } from 'vitest';
import { Room } from '../../src/restore/room.ts';

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = {};
  return (await Promise.race([promise, Promise.resolve().then(() => open)])) !== open;
}

test('so many are let in, and each that leaves lets in the one that has waited longest', async () => {
  const room = new Room(() => 2);
  await room.enter();
  await room.enter();
  const [third, fourth] = [room.enter().then(() => 3), room.enter().then(() => 4)];
  expect(await isSettled(third)).toBe(false);
  room.leave();
  expect(await third).toBe(3);
  expect(await isSettled(fourth)).toBe(false);
  room.leave();
  expect(await fourth).toBe(4);
});

test('where there may be more by now, all who fit are let in; where fewer, nobody is until enough have left', async () => {
  let most = 1;
  const room = new Room(() => most);
  await room.enter();
  const waiting = [1, 2, 3].map(() => room.enter());
  most = 2;
  room.leave();
  expect(await Promise.all(waiting.map(isSettled))).toEqual([true, true, false]);
  most = 1;
  room.leave();
  expect(await isSettled(waiting[2] as Promise<void>)).toBe(false);
  room.leave();
  await waiting[2];
});

test('where there may be more by now, who comes then does not overtake those who wait', async () => {
  let most = 1;
  const room = new Room(() => most);
  await room.enter();
  const waiting = room.enter();
  most = 2;
  const late = room.enter();
  expect(await isSettled(waiting)).toBe(true);
  expect(await isSettled(late)).toBe(false);
  room.leave();
  await late;
});

test('who waits is turned away, and who comes later', async () => {
  const room = new Room(() => 1);
  await room.enter();
  const waiting = room.enter();
  room.refuse(new Error('over'));
  await expect(waiting).rejects.toThrow('over');
  room.leave();
  await expect(room.enter()).rejects.toThrow('over');
});
