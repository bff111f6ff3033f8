import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import { checkForRestore, loadForRestore } from '../../src/strategy/load.ts';
import { formatProblem } from '../../src/strategy/problem.ts';
import { WITH_COMMAND, WITH_PATHS } from './samples.ts';

const FILE = '/etc/holdfast/h.yaml';
const LEAST = 'name: small\nstore: { directory: store }\n';

function strategyOf(text: string) {
  const { strategy, problems } = checkForRestore(text, FILE);
  expect(problems).toEqual([]);
  const { positions: _, ...rest } = strategy!;
  return rest;
}

function problemsOf(text: string): string[] {
  const { strategy, problems } = checkForRestore(text, FILE);
  expect(strategy).toBeUndefined();
  return problems.map((problem) => formatProblem('', problem).slice(1));
}

describe('a strategy read for a restore', () => {
  const small = {
    file: FILE,
    name: 'small',
    store: { kind: 'directory', directory: '/etc/holdfast/store', prefix: '' },
    signer: [],
  };

  test('name and store are enough', () => {
    expect(strategyOf(LEAST)).toEqual(small);
  });

  test.each([
    'sources: 3',
    'sources: [{ name: a, pahts: [/a] }]',
    'recipients: []',
    'recipients: [nowhere.asc]',
    'schedule: { full: sometimes }',
    'whatever: { this: is }',
    'retention:',
    'retention: {}\nretention: {}',
    'sources: [{ exclude: [*.tmp, !keep] }]',
    'limits: { size: 1 }',
    'objectives: &a [*a]',
  ])('other parts may be absent or wrong: %j', (line) => {
    expect(strategyOf(`${LEAST}${line}\n`)).toEqual(small);
  });

  test('whole strategies give their name, store and signer', () => {
    expect(strategyOf(WITH_PATHS)).toEqual({
      file: FILE,
      name: 'townhall-web',
      store: { kind: 'directory', directory: '/etc/store', prefix: 'web01' },
      signer: ['5F3A9C201B7E44D86A0C91EE27B3D05C8F16E2A4'],
    });
    expect(strategyOf(WITH_COMMAND).store).toMatchObject({
      kind: 'swift',
      container: 'backups',
      prefix: 'a/b',
      uploads: 8,
    });
  });

  test.each([
    ['nmae: small\nstore: { directory: x }', '1:1: name: is missing'],
    ['name: small', '1:1: store: is missing'],
    ['name: a/b\nstore: { directory: x }', '1:7: name: the name of a strategy'],
    ['name: a\nname: b\nstore: { directory: x }', '2:1: name: stands twice'],
    ['name: small\nstore: {}', '2:8: store: names no store'],
    ['name: small\nstore: { directroy: x }', '2:10: store.directroy: unknown key; did you mean "directory"?'],
    [
      'name: small\nstore: { directory: x, swift: { container: c } }',
      '2:21: store.directory: a store is either swift or a directory',
    ],
    ['name: small\nstore: { directory: x, directory: y }', '2:24: store.directory: stands twice'],
    ['name: small\nstore: { directory: *x }', '2:21: store.directory: *x is read as a YAML alias'],
    [`${LEAST}signer: abc`, '3:9: signer: must be the fingerprint'],
    [`${LEAST}singer: abc`, '3:1: singer: unknown key; did you mean "signer"?'],
    [`${LEAST}signers: [abc]`, '3:1: signers: unknown key; did you mean "signer"?'],
    [`${LEAST}x: "`, '3:5: is not valid YAML'],
    ['3', '1:1: must be a block of keys, not the number 3'],
    ['', '1:1: is empty'],
  ])('what it needs is checked as ever: %j', (text, expected) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

describe('a strategy file read for a restore', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-restore-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('its relative store starts from its folder', async () => {
    await writeFile(join(folder, 'h.yaml'), LEAST);
    expect((await loadForRestore(join(folder, 'h.yaml'))).store).toMatchObject({
      directory: join(folder, 'store'),
    });
  });

  test('what is wrong is an error of the strategy with file, line and column', async () => {
    const file = join(folder, 'bad.yaml');
    await writeFile(file, `${LEAST}signer: [""]\n`);
    const error = await loadForRestore(file).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining(`${file}:3:10: signer[0]: `),
    });
  });
});
