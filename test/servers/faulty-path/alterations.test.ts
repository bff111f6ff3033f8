/** Answers, requests and listings are altered as the rule says, and not otherwise. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as faulty from '../faulty-path.ts';
import { get, head, nth, once, put } from '../faulty-path.ts';
import { aroundEach, ask, BODY, BOX, fetched, keep, kept, md5, path, server, store } from './around.ts';

aroundEach();

describe('alterations', () => {
  beforeEach(() => keep('a'));

  test('a short answer agrees with its length', async () => {
    path.on(get(), faulty.shortAnswer(1000));
    const heard = await fetched('a');
    expect(heard.broken).toBeUndefined();
    expect(heard).toMatchObject({ status: 200, headers: { 'content-length': '1000', etag: md5(BODY) } });
    expect(heard.body).toEqual(BODY.subarray(0, 1000));
  });

  test('a short answer may be empty, and is never whole', async () => {
    path.on(get(), once, faulty.shortAnswer(0));
    path.on(get(), nth(2), faulty.shortAnswer(1_000_000));
    expect((await fetched('a')).body).toHaveLength(0);
    expect((await fetched('a')).body).toHaveLength(BODY.length - 1);
  });

  test.each([
    ['first', 0, 0],
    ['in the middle', 200_000, 200_000],
    ['last', -1, 299_999],
  ])('a flipped bit of the answer: %s', async (_name, place, at) => {
    path.on(get(), faulty.corruptAnswer(place));
    const heard = await fetched('a');
    const expected = Buffer.from(BODY);
    expected[at] = expected[at]! ^ 1;
    expect(heard.body).toEqual(expected);
    expect(heard).toMatchObject({ status: 200, headers: { etag: md5(BODY), 'content-length': '300000' } });
  });

  test('a flipped bit of the request', async () => {
    path.on(put(), faulty.corruptUpload(7));
    await store('b');
    const expected = Buffer.from(BODY);
    expected[7] = expected[7]! ^ 1;
    expect(kept('b')).toEqual(expected);
  });

  test('other heads', async () => {
    path.on(get(), faulty.changeHeaders({ ETag: 'other', 'X-Trans-Id': null, 'X-New': 'yes' }));
    const heard = await fetched('a');
    expect(heard.headers).toMatchObject({ etag: 'other', 'x-new': 'yes' });
    expect(heard.headers['x-trans-id']).toBeUndefined();
    path.on(put(), faulty.changeStatus(202));
    expect((await store('b')).status).toBe(202);
    expect(kept('b')).toEqual(BODY);
    path.on(head(), faulty.changeRequest({ 'X-Newest': null }));
    await ask('HEAD', `${BOX}/a`, { headers: { 'X-Newest': 'true' } });
    expect(server.heads.at(-1)).not.toHaveProperty('x-newest');
  });
});

describe('listings', () => {
  const names = async (query: string) => {
    const { body } = await ask('GET', `${BOX}?format=json${query}`);
    return JSON.parse(body.toString()).map(({ name }: { name: string }) => name);
  };

  beforeEach(() => {
    for (const name of ['a', 'b', 'c', 'd']) keep(name, Buffer.from('x'));
  });

  test('names are left out, and pages go on behind them', async () => {
    path.on(faulty.listing(), faulty.delayListing(/[ab]/));
    expect(await names('')).toEqual(['c', 'd']);
    expect(await names('&limit=1')).toEqual(['c']);
    expect(await names('&limit=1&marker=c')).toEqual(['d']);
    expect((await fetched('a')).status).toBe(200);
  });

  test('ghosts stand where they belong', async () => {
    path.on(faulty.listing(), faulty.ghost('bb', { name: 'e', bytes: 5 }));
    expect(await names('')).toEqual(['a', 'b', 'bb', 'c', 'd', 'e']);
    expect(await names('&limit=3')).toEqual(['a', 'b', 'bb']);
    expect(await names('&limit=3&marker=bb')).toEqual(['c', 'd', 'e']);
    expect(await names('&limit=3&marker=e')).toEqual([]);
    expect((await fetched('bb')).status).toBe(404);
  });
});
