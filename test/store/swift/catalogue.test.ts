import { describe, expect, test } from 'vitest';
import { chooseEndpoint, type Endpoint, type Wish } from '../../../src/store/swift/catalogue.ts';

const fra: Endpoint = { interface: 'public', region: 'fra', region_id: 'fra', url: 'https://fra' };
const ber: Endpoint = { interface: 'public', region: 'ber', region_id: 'ber', url: 'https://ber' };
const inside: Endpoint = { interface: 'internal', region_id: 'fra', url: 'https://inside' };
const nowhere: Endpoint = { interface: 'public', region: null, url: 'https://nowhere' };

function choose(endpoints: Endpoint[], wish: Partial<Wish> = {}) {
  const others = { type: 'volume', endpoints: [{ interface: 'public', region: 'muc', url: 'https://no' }] };
  return chooseEndpoint([others, { type: 'object-store', endpoints }], {
    region: undefined,
    interface: 'public',
    allowedRegions: undefined,
    ...wish,
  });
}

describe('the endpoint', () => {
  const cases: [string, Endpoint[], Partial<Wish>, object][] = [
    ['of the only region', [fra, inside], {}, { url: 'https://fra', region: 'fra' }],
    ['of the region that is asked for', [fra, ber], { region: 'ber' }, { url: 'https://ber', region: 'ber' }],
    [
      'of the interface',
      [fra, ber, inside],
      { interface: 'internal' },
      { url: 'https://inside', region: 'fra' },
    ],
    ['without a region', [nowhere], {}, { url: 'https://nowhere', region: undefined }],
    [
      'in an allowed region',
      [fra, ber],
      { region: 'ber', allowedRegions: ['fra', 'ber'] },
      { region: 'ber' },
    ],
    ['the first of two in one region', [fra, { ...fra, url: 'https://second' }], {}, { url: 'https://fra' }],
  ];
  test.each(cases)('%s', (_, endpoints, wish, expected) => {
    expect(choose(endpoints, wish)).toMatchObject(expected);
  });

  const wrong: [string, Endpoint[], Partial<Wish>, string, string][] = [
    ['no object store', [], {}, 'store', 'offers this project no object store'],
    [
      'several regions',
      [fra, ber, fra],
      {},
      'strategy',
      'in several regions: choose one with store.swift.region ("fra", "ber")',
    ],
    [
      'several regions, one of them allowed',
      [fra, ber],
      { allowedRegions: ['fra'] },
      'strategy',
      'in several regions',
    ],
    [
      'a region among ones without',
      [fra, nowhere],
      {},
      'strategy',
      'in several regions: choose one with store.swift.region ("fra", (without a name))',
    ],
    [
      'a region that is not there',
      [fra, ber],
      { region: 'FRA' },
      'strategy',
      'not offered in region "FRA", only in "fra", "ber"',
    ],
    [
      'an interface that is not there',
      [fra, inside],
      { interface: 'admin' },
      'strategy',
      'has no admin endpoint: choose another store.swift.interface ("public", "internal")',
    ],
    [
      'a region of another interface',
      [ber, inside],
      { region: 'ber', interface: 'internal' },
      'strategy',
      'not offered in region "ber", only in "fra"',
    ],
    [
      'a region that is not allowed',
      [fra],
      { allowedRegions: ['ber', 'muc'] },
      'strategy',
      'lies in region "fra", but store.swift.allowedRegions has only "ber", "muc": nothing was sent there',
    ],
    [
      'no region where one must be proven',
      [nowhere],
      { allowedRegions: ['fra'] },
      'strategy',
      'lies in region (without a name)',
    ],
  ];
  test.each(wrong)('%s is refused', (_, endpoints, wish, code, message) => {
    expect(() => choose(endpoints, wish)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test('names from the server are cut and put on one line', () => {
    const many = Array.from({ length: 40 }, (_, n) => ({ ...fra, region_id: `${n}\n${'x'.repeat(1000)}` }));
    expect(() => choose(many)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^[^\n]{1,1000} and 30 more\)$/) }),
    );
  });
});
