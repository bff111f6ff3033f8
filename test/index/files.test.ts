import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CUTTER_VERSION } from '../../src/chunk/cut.ts';
import { EntriesWriter } from '../../src/index/entries-file.ts';
import { IndexFiles } from '../../src/index/files.ts';
import { encodeHeader, INDEX_VERSION, type IndexHeader, readHeader } from '../../src/index/header.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

const id = (n: number) => n.toString(16).padStart(32, '0');

/** A header of point n; the files that it speaks of are made too. */
function makeIndex(folder: string, n: number, chain = 1): IndexHeader {
  const file = `entries-${id(n)}`;
  const writer = new EntriesWriter(join(folder, file));
  writer.line('a', `/x\t8.1\t\t0\t\thead ${n}\n`);
  const sha256 = writer.finish();
  const base = `chain-${id(chain)}`;
  for (const ending of ['segments', 'extents', 'blocks'])
    writeFileSync(join(folder, `${base}.${ending}`), Buffer.alloc(1000));
  return {
    version: INDEX_VERSION,
    cutter: CUTTER_VERSION,
    strategy: 'town',
    signer: 'A'.repeat(40),
    writer: id(99),
    recipients: ['B'.repeat(40)],
    sets: [
      {
        seq: n,
        id: id(n),
        commitSha256: '0'.repeat(64),
        time: '2026-11-22T02:30:00.000Z',
        volumes: [[10, 5, 5]],
        manifests: [7],
      },
    ],
    entries: { file, sha256, live: 1 },
    logs: { base, segments: 640, extents: 100, blocks: 1000, blockSecret: 'b5'.repeat(32) },
  };
}

async function promoted(): Promise<{ files: IndexFiles; folder: string; header: IndexHeader }> {
  const folder = await temporaryFolder();
  const files = new IndexFiles(folder);
  const header = makeIndex(folder, 1);
  await files.writePending(header);
  await files.promote();
  return { files, folder, header };
}

describe('the index in a state folder', () => {
  test('is absent where there is none', async () => {
    const files = new IndexFiles(await temporaryFolder());
    expect(files.current()).toBe('absent');
    expect(files.pending()).toBe('absent');
    files.dropPending();
    files.discard();
  });

  test('is pending until it is promoted, and may be dropped before', async () => {
    const folder = await temporaryFolder();
    const files = new IndexFiles(folder);
    const [first, second] = [makeIndex(folder, 1), makeIndex(folder, 2)];
    await files.writePending(first);
    expect(files.current()).toBe('absent');
    expect(files.pending()).toEqual(first);
    await files.promote();
    expect(files.current()).toEqual(first);
    expect(files.pending()).toBe('absent');
    await files.writePending(second);
    files.dropPending();
    expect(files.current()).toEqual(first);
    expect(files.pending()).toBe('absent');
    await files.writePending(second);
    await files.promote();
    expect(files.current()).toEqual(second);
  });

  test('can be read by its owner only', async () => {
    const { folder } = await promoted();
    for (const name of ['index.json', `entries-${id(1)}`])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  test('loses the files that nothing speaks of any more, and no others', async () => {
    const { files, folder, header } = await promoted();
    const next = makeIndex(folder, 2, 2);
    await files.writePending(next);
    makeIndex(folder, 3, 3);
    for (const name of ['lock', 'writer.json', 'entries-other', 'chain-x.blocks'])
      writeFileSync(join(folder, name), '');
    const others = [
      'lock',
      'writer.json',
      'entries-other',
      'chain-x.blocks',
      'index.json',
      'index.next.json',
    ];
    const of = ({ entries, logs }: IndexHeader) => [
      entries.file,
      ...['segments', 'extents', 'blocks'].map((e) => `${logs.base}.${e}`),
    ];
    files.removeStale();
    expect(readdirSync(folder).sort()).toEqual([...others, ...of(header), ...of(next)].sort());
    files.dropPending();
    files.removeStale();
    expect(readdirSync(folder).sort()).toEqual(
      [...others.filter((n) => n !== 'index.next.json'), ...of(header)].sort(),
    );
    files.discard();
    expect(readdirSync(folder).sort()).toEqual(
      ['lock', 'writer.json', 'entries-other', 'chain-x.blocks'].sort(),
    );
  });

  test('cannot be used, and says why, when anything of it is corrupt, cut short or gone', async () => {
    const unusable = async (spoil: (folder: string) => void) => {
      const { files, folder } = await promoted();
      spoil(folder);
      const found = files.current();
      return typeof found === 'object' && 'unusable' in found ? found.unusable : found;
    };
    const entries = `entries-${id(1)}`;
    const chain = `chain-${id(1)}`;
    const flip = (name: string, at: number) => (folder: string) => {
      const bytes = readFileSync(join(folder, name));
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(join(folder, name), bytes);
    };
    expect(await unusable(flip('index.json', 30))).toBe('it is corrupt');
    expect(await unusable((folder) => truncateSync(join(folder, 'index.json'), 100))).toBe('it is corrupt');
    expect(await unusable((folder) => truncateSync(join(folder, 'index.json'), 0))).toBe('it is corrupt');
    expect(await unusable(flip(entries, 20))).toBe(`${entries} is missing or corrupt`);
    expect(await unusable((folder) => truncateSync(join(folder, entries), 3))).toBe(
      `${entries} is missing or corrupt`,
    );
    for (const [ending, length] of [
      ['segments', 639],
      ['extents', 99],
      ['blocks', 999],
    ] as const) {
      const name = `${chain}.${ending}`;
      expect(await unusable((folder) => truncateSync(join(folder, name), length))).toBe(
        `${name} is missing or cut short`,
      );
    }
    // What lies beyond the lengths that count was never promised.
    expect(await unusable((folder) => truncateSync(join(folder, `${chain}.segments`), 640))).toMatchObject({
      writer: id(99),
    });
  });

  test('cannot be used when it was made by another version, or with other cuts', async () => {
    const { folder, header } = await promoted();
    const file = join(folder, 'index.json');
    for (const change of [
      { version: INDEX_VERSION + 1 },
      { version: 1 },
      { cutter: CUTTER_VERSION + 1 },
      { more: 1 },
      { sets: [] },
    ]) {
      const json = JSON.stringify({ ...header, ...change });
      writeFileSync(file, `${json}\n${hash('sha256', json)}\n`);
      expect(readHeader(file)).toEqual({ unusable: 'it was made by another version of Holdfast' });
    }
    expect(() => encodeHeader({ ...header, sets: [] })).toThrow();
  });

  test('a pending one that is corrupt is no reason to doubt the current one', async () => {
    const { files, folder, header } = await promoted();
    writeFileSync(join(folder, 'index.next.json'), 'garbage');
    expect(files.pending()).toEqual({ unusable: 'it is corrupt' });
    expect(files.current()).toEqual(header);
    files.removeStale();
    expect(existsSync(join(folder, header.entries.file))).toBe(true);
  });
});
