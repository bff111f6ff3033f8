/** Clients are kept waiting where the rule says. */
import { describe, expect, test } from 'vitest';
import { noise } from '../../chunk/noise.ts';
import * as faulty from '../faulty-path.ts';
import { any, get, nth, once, put } from '../faulty-path.ts';
import {
  aroundEach,
  ask,
  BODY,
  BOX,
  fetched,
  type Heard,
  keep,
  kept,
  path,
  server,
  store,
  until,
} from './around.ts';

aroundEach();

describe('waiting', () => {
  /** Asks, sees that nothing more happens once `held` holds, and gives up. */
  async function givesUp(
    asking: (signal: AbortSignal) => Promise<Heard>,
    held: () => boolean,
  ): Promise<void> {
    const abort = new AbortController();
    const asked = asking(abort.signal).then(
      ({ broken }) => broken ?? 'whole',
      (error) => error.code,
    );
    await until(held);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(path.requests[0]!.ended).toBe(false);
    abort.abort();
    expect(await asked).toMatch(/^(ABORT_ERR|ECONNRESET)$/);
  }

  const upload = (body: Buffer) => (signal: AbortSignal) => ask('PUT', `${BOX}/a`, { body, signal });
  const download = (signal: AbortSignal) => ask('GET', `${BOX}/a`, { signal });

  test('a stall for good before the request is passed on', async () => {
    path.on(put(), faulty.stall(faulty.forever));
    await givesUp(upload(BODY), () => path.requests.length > 0);
    await path.down();
    await until(() => path.requests[0]!.ended);
    expect(path.requests[0]).toMatchObject({ status: undefined });
    expect(server.heads).toHaveLength(0);
  });

  test('a stall for good when it is done', async () => {
    path.on(put(), faulty.stallAnswer(faulty.forever));
    await givesUp(upload(BODY), () => path.requests[0]?.upstream === 201);
    await until(() => path.requests[0]!.ended);
    expect(kept('a')).toEqual(BODY);
  });

  test('a stall for good in an upload takes nothing more in', async () => {
    path.on(put(), faulty.stallUpload(100_000, faulty.forever));
    const large = noise(32 << 20, 'large');
    await givesUp(upload(large), () => (path.requests[0]?.received ?? 0) >= 100_000);
    expect(path.requests[0]!.received).toBeLessThan(1 << 20);
    await path.down();
    await until(() => server.torn.length > 0);
    expect(server.torn).toEqual([`PUT ${BOX}/a 100000`]);
  });

  test('a stall for good in a download', async () => {
    keep('a');
    path.on(get(), faulty.stallDownload(100_000, faulty.forever));
    await givesUp(download, () => path.requests[0]?.sent === 100_000);
    await until(() => path.requests[0]!.ended);
  });

  test('stalls that end harm nothing', async () => {
    path.on(put(/a1/), faulty.stall(20));
    path.on(put(/a2/), faulty.stallUpload(faulty.half, 20));
    path.on(put(/a3/), faulty.stallAnswer(20));
    path.on(get(), faulty.stallDownload(faulty.half, 20));
    for (const name of ['a1', 'a2', 'a3']) {
      expect((await store(name)).status).toBe(201);
      expect((await fetched(name)).body).toEqual(BODY);
    }
  });

  test('a trickle is slow, and whole', async () => {
    path.on(any(), faulty.trickle(200_000));
    const begun = performance.now();
    const small = noise(20_000, 'small');
    await store('a', small);
    expect((await fetched('a')).body).toEqual(small);
    // Load only makes it slower.
    expect(performance.now() - begun).toBeGreaterThan(150);
  });

  test('something is called before and after', async () => {
    const seen: unknown[] = [];
    path.on(
      put(),
      once,
      faulty.callBefore(() => void seen.push(kept('a'))),
    );
    path.on(
      put(),
      nth(2),
      faulty.callAfter(() => void seen.push(kept('b'))),
    );
    await store('a');
    await store('b');
    expect(seen).toEqual([undefined, BODY]);
  });
});
