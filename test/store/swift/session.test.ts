import { expect, test } from 'vitest';
import { Session } from '../../../src/store/swift/session.ts';
import type { SignedIn } from '../../../src/store/swift/sign-in.ts';

const DATE = new Date('2026-11-25T03:00:00Z');

/** A sign-in that gives `token 1`, `token 2`, …, each for `life` seconds by the server's clock, when it is let. */
class Desk {
  readonly waiting: (() => void)[] = [];
  count = 0;
  now = 1000;
  life: number | undefined = 3600;
  date: Date | undefined = DATE;
  readonly session = new Session(
    () =>
      new Promise<SignedIn>((resolve) => {
        this.waiting.push(() =>
          resolve({
            token: `token ${++this.count}`,
            expires: this.life === undefined ? undefined : new Date(DATE.getTime() + this.life * 1000),
            storageUrl: new URL('http://127.0.0.1/v1/AUTH_a'),
            region: undefined,
            user: 'a',
            date: this.date,
          }),
        );
      }),
    () => this.now,
  );

  /** Lets the sign-in that waits through, and gives the token of a ticket that was asked for. */
  async token(): Promise<string> {
    const ticket = this.session.ticket();
    this.waiting.shift()?.();
    return (await ticket).token;
  }
}

test('however many ask, one sign-in is made, and all have its token', async () => {
  const desk = new Desk();
  const tickets = Array.from({ length: 20 }, () => desk.session.ticket());
  expect(desk.waiting).toHaveLength(1);
  desk.waiting[0]?.();
  expect(new Set((await Promise.all(tickets)).map(({ token }) => token))).toEqual(new Set(['token 1']));
  expect(await desk.token()).toBe('token 1');
});

test('a token is replaced a minute before its end, whatever the clocks say', async () => {
  const desk = new Desk();
  expect(await desk.token()).toBe('token 1');
  desk.now += 3539_000;
  expect(await desk.token()).toBe('token 1');
  desk.now += 2000;
  expect(await desk.token()).toBe('token 2');
});

test('a token of a few seconds is used for most of them', async () => {
  const desk = new Desk();
  desk.life = 4;
  expect(await desk.token()).toBe('token 1');
  desk.now += 2900;
  expect(await desk.token()).toBe('token 1');
  desk.now += 200;
  expect(await desk.token()).toBe('token 2');
});

test.each([
  ['a token without an end', undefined, DATE],
  ['an end without the clock that it goes by', 60, undefined],
])('%s is used until it is refused', async (_, life, date) => {
  const desk = new Desk();
  Object.assign(desk, { life, date });
  expect(await desk.token()).toBe('token 1');
  desk.now += 1e9;
  expect(await desk.token()).toBe('token 1');
});

test('a refused token is not given again; a refusal that comes late does not harm the next', async () => {
  const desk = new Desk();
  expect(await desk.token()).toBe('token 1');
  desk.session.refused('token 1');
  expect(await desk.token()).toBe('token 2');
  desk.session.refused('token 1');
  expect(await desk.token()).toBe('token 2');
});

test('a sign-in that failed is told to all that waited, and is made anew for the next', async () => {
  let fails = true;
  const session = new Session(
    async () => {
      if (fails) throw new Error('down');
      const storageUrl = new URL('http://127.0.0.1/');
      return { token: 't', expires: undefined, storageUrl, region: undefined, user: 'a', date: undefined };
    },
    () => 0,
  );
  const results = await Promise.allSettled([session.ticket(), session.ticket()]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  expect((await session.ticket()).token).toBe('t');
});
