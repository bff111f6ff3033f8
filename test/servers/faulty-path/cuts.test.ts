/** Connections are cut where the rule says. */
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { noise } from '../../chunk/noise.ts';
import * as faulty from '../faulty-path.ts';
import { any, get, once, put } from '../faulty-path.ts';
import {
  aroundEach,
  ask,
  BODY,
  BOX,
  fetched,
  keep,
  kept,
  path,
  reset,
  server,
  store,
  until,
} from './around.ts';

aroundEach();

describe('cuts', () => {
  test('before anything is passed on', async () => {
    path.on(put(), once, faulty.cutBefore());
    await expect(store('a')).rejects.toMatchObject(reset);
    expect(server.heads).toHaveLength(0);
    expect(path.requests[0]).toMatchObject({ status: undefined, cut: true });
    expect((await store('a')).status).toBe(201);
  });

  test.each([
    ['by a length', 100_000, 100_000],
    ['at its start', 0, 0],
    ['in the middle', faulty.half, 150_000],
    ['never past the end', 1_000_000, 299_999],
  ])('in an upload, %s', async (_name, place, bytes) => {
    path.on(put(), faulty.cutInBody(place));
    await expect(store('a')).rejects.toThrow();
    await until(() => server.torn.length > 0);
    expect(server.torn).toEqual([`PUT ${BOX}/a ${bytes}`]);
    expect(kept('a')).toBeUndefined();
  });

  test('in a chunked upload that ends sooner', async () => {
    path.on(put(), faulty.cutInBody(1_000_000));
    await expect(ask('PUT', `${BOX}/a`, { body: Readable.from([BODY]) })).rejects.toThrow();
    await until(() => server.torn.length > 0);
    expect(kept('a')).toBeUndefined();
  });

  test('when it is done', async () => {
    path.on(put(), faulty.loseAnswer());
    await expect(store('a')).rejects.toMatchObject(reset);
    expect(kept('a')).toEqual(BODY);
    expect(path.requests[0]).toMatchObject({ upstream: 201, status: undefined, cut: true });
  });

  test.each([
    ['by a length', 100_000, 100_000],
    ['at its start', 0, 0],
    ['never past the end', 1_000_000, 299_999],
  ])('in a download, %s', async (_name, place, bytes) => {
    keep('a');
    path.on(get(), faulty.truncateAnswer(place));
    const heard = await fetched('a');
    expect(heard).toMatchObject({
      status: 200,
      broken: 'ECONNRESET',
      headers: { 'content-length': '300000' },
    });
    expect(heard.body).toEqual(BODY.subarray(0, bytes));
  });

  test('one in n, the same for the same seed', async () => {
    const run = async (seed: string) => {
      const rule = path.on(any(), faulty.cutOneIn(3, seed));
      const from = path.requests.length;
      for (let i = 0; i < 40; i += 1) {
        await store(`a${i}`, noise(50_000, 'small')).catch(() => {});
        await fetched(`a${i}`).catch(() => {});
      }
      rule.remove();
      await until(() => path.requests.every(({ ended }) => ended));
      return path.requests.slice(from).map(({ done, cut }) => `${done} ${cut}`);
    };
    const one = await run('1');
    expect(await run('1')).toEqual(one);
    expect(await run('2')).not.toEqual(one);
    const kinds = new Set(one);
    for (const kind of ['cutBefore', 'cutInBody', 'loseAnswer', 'truncateAnswer']) {
      expect(kinds).toContain(`${kind} true`);
    }
    expect(kinds).toContain('cutOneIn 3, seed 1 false');
  });
});
