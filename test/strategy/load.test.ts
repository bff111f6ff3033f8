import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import { checkStrategy, loadStrategy } from '../../src/strategy/load.ts';
import { formatProblem } from '../../src/strategy/problem.ts';
import { strategyJsonSchema } from '../../src/strategy/schema.ts';
import { notWorkingYet } from '../../src/strategy/unfinished.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';
import { SMALLEST, WITH_COMMAND, WITH_PATHS } from './samples.ts';

const SAMPLE = `name: townhall-web
sources:
  - name: www
    paths: [/srv/www, /etc/nginx]
    exclude: ["*.tmp", /srv/www/cache/]
  - name: orders
    command: pg_dump --format=custom orders      # kept as one file named "orders"
store:
  swift: { cloud: townhall, container: backups, prefix: web01 }   # clouds.yaml, or OS_* variables
  # directory: /var/backups/holdfast                              # the embedded default
recipients: [it-staff.asc, escrow.asc]      # paths are relative to this file
schedule: { full: weekly, incremental: daily, at: "02:30" }
retention: { points: 30d, weekly: 8, monthly: 12, minimumChains: 2 }
limits: { size: 200GiB, upload: 20MiB/s }
objectives: { rpo: 26h, rto: 4h }
`;

const FILE = '/etc/holdfast/h.yaml';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function strategyOf(text: string) {
  const { strategy, problems } = checkStrategy(text, FILE);
  expect(problems).toEqual([]);
  return strategy!;
}

/** Problems as lines without the file's name. */
function problemsOf(text: string): string[] {
  const { strategy, problems } = checkStrategy(text, FILE);
  expect(strategy === undefined).toBe(problems.length > 0);
  return problems.map((problem) => formatProblem('', problem).slice(1));
}

/** The smallest strategy with one more line. */
function withLine(line: string): string {
  return `${SMALLEST}${line}\n`;
}

describe('a strategy that is right', () => {
  test('the sample is accepted whole, with every value in plain units', () => {
    const { positions, ...strategy } = strategyOf(SAMPLE);
    expect(strategy).toEqual({
      file: FILE,
      name: 'townhall-web',
      sources: [
        {
          kind: 'paths',
          name: 'www',
          paths: ['/srv/www', '/etc/nginx'],
          exclude: ['*.tmp', '/srv/www/cache/'],
          include: [],
          excludeIfPresent: [],
          excludeCaches: false,
          oneFileSystem: true,
          allowEmpty: false,
        },
        { kind: 'command', name: 'orders', command: 'pg_dump --format=custom orders' },
      ],
      store: {
        kind: 'swift',
        cloud: 'townhall',
        container: 'backups',
        prefix: 'web01',
        uploads: 4,
        deadline: 180_000,
      },
      recipients: ['/etc/holdfast/it-staff.asc', '/etc/holdfast/escrow.asc'],
      schedule: {
        full: { kind: 'every', length: 7 * DAY },
        incremental: { kind: 'every', length: DAY },
        at: '02:30',
      },
      retention: { points: 30 * DAY, weekly: 8, monthly: 12, yearly: 0, minimumChains: 2 },
      limits: { size: 200 * 2 ** 30, upload: 20 * 2 ** 20 },
      objectives: { rpo: 26 * HOUR, rto: 4 * HOUR },
      signer: [],
      volume: { size: 32 * 2 ** 20, compression: 3 },
    });
    expect(positions.get('recipients[1]')).toEqual({ line: 11, column: 28 });
    expect(positions.get('sources[1].command')).toEqual({ line: 7, column: 14 });
  });

  test('every key there is takes effect', () => {
    const paths = strategyOf(WITH_PATHS);
    expect(paths.store).toEqual({ kind: 'directory', directory: '/etc/store', prefix: 'web01' });
    expect(paths.sources[0]).toMatchObject({ allowEmpty: true });
    expect(paths.recipients).toEqual(['/etc/holdfast/it-staff.asc', '/etc/holdfast/escrow.asc']);
    expect(paths.schedule.full).toEqual({ kind: 'month' });
    expect(paths.retention).toEqual({
      points: 30 * DAY,
      weekly: 8,
      monthly: 12,
      yearly: 5,
      minimumChains: 3,
    });
    expect(paths.signer).toEqual(['5F3A9C201B7E44D86A0C91EE27B3D05C8F16E2A4']);
    expect(paths.volume).toEqual({ size: 64 * 2 ** 20, compression: 9 });
    expect(strategyOf(WITH_COMMAND).store).toEqual({
      kind: 'swift',
      container: 'backups',
      prefix: 'a/b',
      cloud: 'townhall',
      credentialsFile: '/etc/holdfast/clouds.yaml',
      region: 'fra',
      interface: 'internal',
      caFile: '/etc/ssl/ca.pem',
      insecure: true,
      allowedRegions: ['fra'],
      uploads: 8,
      deadline: 600_000,
    });
  });

  test('what is not written has its default, or is absent where there is none', () => {
    const { positions: _, ...strategy } = strategyOf(SMALLEST);
    expect(strategy).toEqual({
      file: FILE,
      name: 'small',
      sources: [
        {
          kind: 'paths',
          name: 'etc',
          paths: ['/etc'],
          exclude: [],
          include: [],
          excludeIfPresent: [],
          excludeCaches: false,
          oneFileSystem: true,
          allowEmpty: false,
        },
      ],
      store: { kind: 'directory', directory: '/store', prefix: '' },
      recipients: ['/etc/holdfast/a.asc'],
      schedule: { full: { kind: 'every', length: 7 * DAY } },
      signer: [],
      volume: { size: 32 * 2 ** 20, compression: 3 },
    });
  });

  test('the strategy can be handed to a worker thread', () => {
    const strategy = strategyOf(SAMPLE);
    expect(structuredClone(strategy)).toEqual(strategy);
  });

  test('several signers are pinned, each once', () => {
    const fingerprint = '5F3A9C201B7E44D86A0C91EE27B3D05C8F16E2A4';
    const other = '0'.repeat(40);
    expect(
      strategyOf(withLine(`signer: ["${fingerprint.toLowerCase()}", "${other}", ${fingerprint}]`)).signer,
    ).toEqual([fingerprint, other]);
  });

  test('paths come in their plain form; the root and names of any kind are paths too', () => {
    const text = SMALLEST.replace('[/etc]', '[/srv//www/, "/a b/ü\\n", /..., /.hidden]');
    expect(strategyOf(text).sources[0]).toMatchObject({
      paths: ['/srv/www', '/a b/ü\n', '/...', '/.hidden'],
    });
    expect(strategyOf(SMALLEST.replace('[/etc]', '[/]')).sources[0]).toMatchObject({ paths: ['/'] });
  });

  test('YAML is read as YAML 1.2, whatever the file declares', () => {
    expect(strategyOf(`%YAML 1.1\n---\n${withLine('schedule: { at: 02:30 }')}`).schedule.at).toBe('02:30');
    expect(strategyOf(SMALLEST.replace('small', 'no')).name).toBe('no');
  });

  test('anchors and aliases work', () => {
    const text = SMALLEST.replace('[a.asc]', '[&key a.asc]').replace('[/etc]', '[/etc], exclude: [*key]');
    expect(problemsOf(text)[0]).toContain('2:49: sources[0].exclude[0]: *key is read as a YAML alias');
    expect(strategyOf('volume: &v { size: 1MiB }\n'.concat(SMALLEST)).volume.size).toBe(2 ** 20);
    const twice = SMALLEST.replace(
      '[/etc]',
      '[/etc], exclude: &x ["*.a"] }, { name: b, paths: [/b], exclude: *x',
    );
    expect(strategyOf(twice).sources[1]).toMatchObject({ exclude: ['*.a'] });
  });

  test('a path beside another with the same beginning does not overlap it', () => {
    expect(problemsOf(SMALLEST.replace('[/etc]', '[/srv/www, /srv/www-old, /srv/ww]'))).toEqual([]);
  });
});

describe('a misspelt key', () => {
  const lines = [WITH_PATHS, WITH_COMMAND].flatMap((text) =>
    text.split('\n').flatMap((line, place) => {
      const key = /^[ -]*([A-Za-z]+):/.exec(line)?.[1];
      return key === undefined ? [] : [{ text, place, line, key }];
    }),
  );

  test('there is a case for every key', () => {
    const keys = new Set<string>();
    const gather = (shape: { properties?: object; items?: object }) => {
      for (const [key, below] of Object.entries(shape.properties ?? {})) {
        keys.add(key);
        gather(below);
      }
      if (shape.items) gather(shape.items);
    };
    gather(strategyJsonSchema());
    expect(new Set(lines.map(({ key }) => key))).toEqual(keys);
  });

  test.each(lines)(
    '$key in line $place is one problem, with its place and a proposal',
    ({ text, place, line, key }) => {
      const column = line.indexOf(`${key}:`) + 1;
      const misspelt = [
        key.slice(0, -2) + key.at(-1) + key.at(-2),
        `${key}x`,
        key.length > 3 ? key.slice(0, 1) + key.slice(2) : `${key}s`,
        key.toUpperCase(),
      ];
      for (const wrong of misspelt.filter((word) => word !== key)) {
        const all = text.split('\n');
        all[place] = line.replace(`${key}:`, `${wrong}:`);
        const problems = problemsOf(all.join('\n'));
        expect(problems).toHaveLength(1);
        expect(problems[0]).toMatch(
          new RegExp(`^${place + 1}:${column}: .*: unknown key; did you mean "${key}"\\?$`),
        );
      }
    },
  );

  test('a key in the wrong place is told where it belongs', () => {
    expect(problemsOf(SMALLEST.replace('directory: /store', 'directory: /store, container: x'))).toEqual([
      '3:29: store.container: unknown key: it belongs under "store.swift"',
    ]);
    expect(problemsOf(withLine('exclude: ["*.tmp"]'))[0]).toBe(
      '5:1: exclude: unknown key: it belongs under "sources[]"',
    );
  });

  test('a key like no other is told what is known', () => {
    expect(problemsOf(withLine('objectives: { xyzzy: 1 }'))).toEqual([
      '5:15: objectives.xyzzy: unknown key; known here are rpo, rto',
    ]);
    expect(problemsOf(withLine('__proto__: { name: x }'))[0]).toMatch(/^5:1: __proto__: unknown key/);
    expect(problemsOf(withLine('constructor: 1'))[0]).toMatch(/^5:1: constructor: unknown key/);
  });
});

describe('a wrong value', () => {
  test.each([
    ['name: a/b', 'name: the name of a strategy is 1 to 64 letters'],
    ['name: .a', 'name: the name of a strategy is'],
    [`name: ${'a'.repeat(65)}`, 'name: the name of a strategy is'],
    ['name: ""', 'name: must not be empty'],
    ['name:', 'name: is empty: give it a value or take the line out'],
    ['name: 2024', 'name: must be text, not the number 2024: put it in quotes'],
    ['name: true', 'name: must be text, not true: put it in quotes'],
    ['name: [a]', 'name: must be text, not a list'],
    ['name: { a: b }', 'name: must be text, not a block of keys'],
    ['sources: []', 'sources: must not be an empty list'],
    ['sources: /etc', 'sources: must be a list, not text'],
    ['sources: { name: a }', 'sources: must be a list, not a block of keys'],
    ['sources: [/etc]', 'sources[0]: must be a block of keys, not text'],
    ['sources: [null]', 'sources[0]: is empty'],
    ['sources: [{ name: a }]', 'sources[0]: has neither paths nor a command'],
    ['sources: [{ paths: [/etc] }]', 'sources[0].name: is missing'],
    ['sources: [{ name: a, paths: [] }]', 'sources[0].paths: must not be an empty list'],
    ['sources: [{ name: a, paths: /etc }]', 'sources[0].paths: must be a list, not text'],
    ['sources: [{ name: a, paths: [etc] }]', 'sources[0].paths[0]: must be an absolute path'],
    ['sources: [{ name: a, paths: [~/x] }]', 'sources[0].paths[0]: must be an absolute path ("~"'],
    ['sources: [{ name: a, paths: [/a/../b] }]', 'sources[0].paths[0]: must be written without'],
    ['sources: [{ name: a, paths: [/a/.] }]', 'sources[0].paths[0]: must be written without'],
    ['sources: [{ name: a, paths: ["/a\\0"] }]', 'sources[0].paths[0]: must not contain a NUL'],
    ['sources: [{ name: a, paths: ["/\\ud800"] }]', 'sources[0].paths[0]: must be valid Unicode'],
    ['sources: [{ name: a, paths: [""] }]', 'sources[0].paths[0]: must not be empty'],
    [
      'sources: [{ name: a, paths: [/a, /a/] }]',
      'sources[0].paths[1]: "/a" stands twice (also in source "a")',
    ],
    [
      'sources: [{ name: a, paths: [/a/b, /a] }]',
      'sources[0].paths[0]: "/a/b" lies inside "/a" of source "a"',
    ],
    [
      'sources: [{ name: a, paths: [/a/b/c] }, { name: b, paths: [/] }]',
      'sources[0].paths[0]: "/a/b/c" lies inside "/" of source "b"',
    ],
    [
      'sources: [{ name: a, paths: [/a] }, { name: a, paths: [/b] }]',
      'sources[1].name: "a" is the name of sources[0] already',
    ],
    [
      'sources: [{ name: a, paths: [/a], command: x }]',
      'sources[0].command: a source has either paths or a command',
    ],
    ['sources: [{ name: a, command: " " }]', 'sources[0].command: must not be empty'],
    ['sources: [{ name: a, command: x, exclude: [b] }]', 'sources[0].exclude: is for paths'],
    ['sources: [{ name: a, command: x, include: [b] }]', 'sources[0].include: is for paths'],
    ['sources: [{ name: a, command: x, oneFileSystem: true }]', 'sources[0].oneFileSystem: is for paths'],
    [
      'sources: [{ name: a, paths: [/a], include: ["!b"] }]',
      'sources[0].include[0]: must not begin with "!"',
    ],
    [
      'sources: [{ name: a, paths: [/a], excludeIfPresent: [a/b] }]',
      'sources[0].excludeIfPresent[0]: must be the name of a file',
    ],
    [
      'sources: [{ name: a, paths: [/a], excludeLargerThan: 0 }]',
      'sources[0].excludeLargerThan: must be at least 1B',
    ],
    [
      'sources: [{ name: a, paths: [/a], excludeCaches: 1 }]',
      'sources[0].excludeCaches: must be true or false',
    ],
    ['sources: [{ name: a, command: x, allowEmpty: true }]', 'sources[0].allowEmpty: is for paths'],
    ['sources: [{ name: a, paths: [/a], exclude: [] }]', 'sources[0].exclude: must not be an empty list'],
    ['sources: [{ name: a, paths: [/a], exclude: "*.b" }]', 'sources[0].exclude: must be a list, not text'],
    ['sources: [{ name: a, paths: [/a], exclude: ["#b"] }]', 'sources[0].exclude[0]: begins with "#"'],
    [
      'sources: [{ name: a, paths: [/a], exclude: ["a["] }]',
      'sources[0].exclude[0]: has a "[" that no "]" closes',
    ],
    [
      'sources: [{ name: a, paths: [/a], exclude: [b], include: [./a] }]',
      'sources[0].include[0]: has the component "."',
    ],
    ['sources: [{ name: a, paths: [/a], exclude: ["a\\nb"] }]', 'sources[0].exclude[0]: must be one pattern'],
    [
      'sources: [{ name: a, paths: [/a], exclude: [*.tmp] }]',
      'sources[0].exclude[0]: *.tmp is read as a YAML alias',
    ],
    [
      'sources: [{ name: a, paths: [/a], exclude: [!keep] }]',
      'sources[0].exclude[0]: the YAML tag "!keep" means nothing here',
    ],
    [
      'sources: [{ name: a, paths: [/a], allowEmpty: yes }]',
      'sources[0].allowEmpty: must be true or false, not text',
    ],
    ['store: {}', 'store: names no store'],
    ['store: /backup', 'store: must be a block of keys, not text'],
    ['store: { directory: "" }', 'store.directory: must not be empty'],
    ['store: { directory: ~/b }', 'store.directory: "~" is not replaced'],
    [
      'store: { directory: /b, swift: { container: c } }',
      'store.directory: a store is either swift or a directory',
    ],
    ['store: { directory: /b, prefix: /x }', 'store.prefix: must be names joined by "/"'],
    ['store: { directory: /b, prefix: a/../b }', 'store.prefix: must be names joined by "/"'],
    ['store: { directory: /b, prefix: a//b }', 'store.prefix: must be names joined by "/"'],
    ['store: { directory: /b, prefix: "a\\ud800" }', 'store.prefix: must not contain half a character'],
    [
      'store: { swift: { container: "\\udfff" } }',
      'store.swift.container: must not contain half a character',
    ],
    [
      'store: { swift: { container: c, prefix: "p/\\ud800x" } }',
      'store.swift.prefix: must not contain half a character',
    ],
    [
      'store: { swift: { container: c }, prefix: x }',
      'store.prefix: the prefix of a Swift store belongs under "swift"',
    ],
    ['store: { swift: { cloud: c } }', 'store.swift.container: is missing'],
    ['store: { swift: { container: a/b } }', 'store.swift.container: must not contain "/"'],
    [
      'store: { swift: { container: c, interface: publik } }',
      'store.swift.interface: must be one of public, internal, admin; did you mean "public"?',
    ],
    ['store: { swift: { container: c, uploads: 0 } }', 'store.swift.uploads: must be at least 1'],
    ['store: { swift: { container: c, uploads: 1.5 } }', 'store.swift.uploads: must be a whole number'],
    ['store: { swift: { container: c, uploads: 100 } }', 'store.swift.uploads: must be at most 32'],
    ['store: { swift: { container: c, deadline: 0s } }', 'store.swift.deadline: must be at least one second'],
    ['recipients: []', 'recipients: must not be an empty list'],
    ['recipients: [a.asc, a.asc]', 'recipients[1]: "a.asc" stands twice'],
    ['recipients: a.asc', 'recipients: must be a list, not text'],
    ['schedule: weekly', 'schedule: must be a block of keys, not text'],
    ['schedule: { full: weekli }', 'schedule.full: must be daily, weekly, monthly, never, or a duration'],
    ['schedule: { full: 7 }', 'schedule.full: must be daily, weekly'],
    ['schedule: { full: 0d }', 'schedule.full: must be daily, weekly'],
    ['schedule: { full: 5s }', 'schedule.full: must be at least one minute'],
    ['schedule: { at: 2:30 }', 'schedule.at: must be a time of day'],
    ['schedule: { at: "24:00" }', 'schedule.at: must be a time of day'],
    ['schedule: { at: 230 }', 'schedule.at: must be a time of day'],
    ['retention: { points: 30m }', 'retention.points: must be at least one day'],
    ['retention: { points: 30 }', 'retention.points: must be a duration'],
    ['retention: { weekly: -1 }', 'retention.weekly: must be at least 0'],
    ['retention: { weekly: "8" }', 'retention.weekly: must be a whole number, not text'],
    ['retention: { weekly: .nan }', 'retention.weekly: must be a whole number, not a number without value'],
    ['retention: { weekly: 8, minimumChains: 0 }', 'retention.minimumChains: must be at least 1'],
    ['retention: { minimumChains: 3 }', 'retention: says nothing to keep'],
    ['retention: {}', 'retention: says nothing to keep'],
    ['retention:', 'retention: is empty'],
    ['limits: { size: 20G }', 'limits.size: must be a size'],
    ['limits: { size: 1kB }', 'limits.size: must be at least 1MiB'],
    ['limits: { size: true }', 'limits.size: must be a size'],
    ['limits: { upload: 20Mbit/s }', 'limits.upload: must be a rate'],
    ['limits: { upload: 2B/s }', 'limits.upload: must be at least 1kB/s'],
    ['objectives: { rpo: 26 }', 'objectives.rpo: must be a duration'],
    ['signer: abc', 'signer: must be the fingerprint'],
    ['signer: []', 'signer: must not be an empty list'],
    ['signer: ["abc"]', 'signer[0]: must be the fingerprint'],
    [
      `signer: ${'1'.repeat(40)}`,
      'signer: must be the fingerprint of a signing key: 40 hex digits, spaces allowed (in quotes)',
    ],
    ['volume: { size: 1KiB }', 'volume.size: must be at least 64KiB'],
    ['volume: { size: 1GiB }', 'volume.size: must be at most 256MiB'],
    ['volume: { compression: 20 }', 'volume.compression: must be at most 19'],
  ])('%s is one problem in words', (line, expected) => {
    const key = /^\w+/.exec(line)?.[0] ?? '';
    const others = SMALLEST.split('\n').filter((other) => other !== '' && !other.startsWith(`${key}:`));
    const problems = problemsOf([...others, line].join('\n'));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`: ${expected}`);
    expect(problems[0]).toMatch(new RegExp(`^${others.length + 1}:`));
  });

  test('every required key is missed by name', () => {
    expect(problemsOf('schedule: {}')).toEqual([
      '1:1: name: is missing',
      '1:1: sources: is missing',
      '1:1: store: is missing',
      '1:1: recipients: is missing',
    ]);
  });
});

describe('problems', () => {
  test('all kinds of problems are reported together, in the order of the file, each with its place', () => {
    const text = `name: town hall
sources:
  - name: www
    pathss: [/srv/www]
    exclude: [*.tmp]
  - name: www
    paths: [/srv, /srv/a]
store: { directory: /b }
store: { directory: /c }
recipients: []
schedule: { full: sometimes }
`;
    expect(problemsOf(text).map((line) => line.split(': ').slice(0, 2).join(' '))).toEqual([
      '1:7 name',
      '4:5 sources[0].pathss',
      '5:15 sources[0].exclude[0]',
      '6:11 sources[1].name',
      '7:19 sources[1].paths[1]',
      '9:1 store',
      '10:13 recipients',
      '11:19 schedule.full',
    ]);
  });

  test('a key that stands twice is named with both its lines', () => {
    expect(problemsOf(withLine('name: other'))).toEqual([
      '5:1: name: stands twice (first in line 1): keep one',
    ]);
    expect(problemsOf(SMALLEST.replace('/store }', '/store, directory: /b }'))).toEqual([
      '3:29: store.directory: stands twice (first in line 3): keep one',
    ]);
  });

  test.each([
    ['name: "x', 'is not valid YAML'],
    ['name: x\n y: z', 'is not valid YAML'],
    ['name:\n\t- b', 'tabs are not allowed'],
    ['a: [1, 2', 'is not valid YAML'],
    ['a: @x', 'in quotes'],
    ['a: [*]', 'in quotes'],
    ['', 'is empty'],
    ['# nothing', 'is empty'],
    ['--- \na: 1\n--- \nb: 1', 'several YAML documents'],
    ['just text', 'must be a block of keys, not text'],
    ['- name: x', 'must be a block of keys, not a list'],
    ['null', 'is empty'],
    ['a: &a [*a]', 'contains itself'],
    ['a: !!binary aGVsbG8=', 'means nothing here'],
    ['? [a]\n: 1', 'the name of a key must be plain text'],
  ])('%j is told with its place', (text, words) => {
    const problems = problemsOf(text);
    expect(problems.some((line) => line.includes(words))).toBe(true);
    for (const line of problems) expect(line).toMatch(/^\d+:\d+: /);
  });

  test.each([
    ['brackets', '['.repeat(1 << 20), 'nested too deeply'],
    ['nesting', `${'{a: '.repeat(40)}1${'}'.repeat(40)}`, 'nested too deeply'],
    ['aliases', `a: &a 1\nb: [${'*a,'.repeat(101)}]`, 'more than 100 YAML aliases'],
    [
      'aliases of aliases',
      `a: &a [${'x,'.repeat(3000)}]\nb: &b [${'*a,'.repeat(30)}]\nc: [*b,*b]`,
      'more than 100000 values',
    ],
    ['values', `a: [${'x,'.repeat(100_001)}]`, 'more than 100000 values'],
  ])('endless %s are refused, not unfolded', (_, text, words) => {
    const started = performance.now();
    expect(problemsOf(text)).toEqual([expect.stringContaining(words)]);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('tens of thousands of unknown keys are told in bounded time and length', () => {
    const text = Array.from({ length: 50_000 }, (_, place) => `key${place}: 1`).join('\n');
    const { problems } = checkStrategy(text, FILE);
    expect(problems).toHaveLength(50_004);
  });
});

describe('a strategy file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-strategy-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function put(name: string, content: string | Uint8Array): Promise<string> {
    const file = join(folder, name);
    await writeFile(file, content);
    return file;
  }

  async function errorOf(file: string): Promise<HoldfastError> {
    const error = await loadStrategy(file).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).code).toBe('strategy');
    return error as HoldfastError;
  }

  test('its relative paths start from its folder', async () => {
    await mkdir(join(folder, 'etc'));
    const strategy = await loadStrategy(await put('etc/paths.yaml', WITH_PATHS));
    expect(strategy.file).toBe(join(folder, 'etc/paths.yaml'));
    expect(strategy.store).toMatchObject({ directory: join(folder, 'store') });
    expect(strategy.recipients[0]).toBe(join(folder, 'etc/it-staff.asc'));
  });

  test('a byte order mark and Windows line ends do no harm', async () => {
    const strategy = await loadStrategy(
      await put('windows.yaml', `\ufeff${SMALLEST.replaceAll('\n', '\r\n')}`),
    );
    expect(strategy.name).toBe('small');
    const error = await errorOf(
      await put('windows-bad.yaml', `\ufeff${SMALLEST.replace('store:', 'stor:').replaceAll('\n', '\r\n')}`),
    );
    expect(error.message).toContain('windows-bad.yaml:3:1: stor:');
  });

  test('one problem is one line with file, line and column', async () => {
    const file = await put('one.yaml', withLine('retentoin: { points: 3d }'));
    const error = await errorOf(file);
    expect(error.message).toBe(`${file}:5:1: retentoin: unknown key; did you mean "retention"?`);
    expect(error.path).toBe(file);
  });

  test('several problems are a line with their number, then one line each', async () => {
    const file = await put('two.yaml', `${withLine('x: 1')}"y\\nz": 2\n`);
    const lines = (await errorOf(file)).message.split('\n');
    expect(lines[0]).toBe(`${file}: 2 problems`);
    expect(lines.slice(1).map((line) => line.slice(0, file.length + 5))).toEqual([
      `${file}:5:1:`,
      `${file}:6:1:`,
    ]);
  });

  test('hundreds of problems are not all told', async () => {
    const text = Array.from({ length: 300 }, (_, place) => `key${place}: 1`).join('\n');
    const lines = (await errorOf(await put('many.yaml', text))).message.split('\n');
    expect(lines[0]).toContain('304 problems');
    expect(lines).toHaveLength(52);
    expect(lines.at(-1)).toContain('and 254 more');
  });

  test.each([
    ['that is not there', async () => join(folder, 'nowhere.yaml'), 'there is no such file'],
    ['below a file', async () => join(await put('plain', ''), 'x.yaml'), 'there is no such file'],
    ['that is a folder', async () => folder, 'is a folder'],
    ['that is not UTF-8', () => put('latin1.yaml', Buffer.from('name: caf\xe9\n', 'latin1')), 'is not UTF-8'],
    ['above one MiB', () => put('large.yaml', `#${'x'.repeat(1 << 20)}`), 'is larger than 1MiB'],
  ])('one %s is refused in one line that names it', async (_, make, words) => {
    const file = await make();
    const { message } = await errorOf(file);
    expect(message).toContain(file);
    expect(message).toContain(words);
    expect(message).not.toContain('\n');
  });

  test('one of exactly one MiB is read', async () => {
    const text = `${SMALLEST}#`;
    const strategy = await loadStrategy(await put('full.yaml', text + 'x'.repeat((1 << 20) - text.length)));
    expect(strategy.name).toBe('small');
  });

  test('one that may not be read is told so', async () => {
    const file = await put('secret.yaml', SMALLEST);
    await chmod(file, 0o000);
    const load = JSON.stringify(project('src/strategy/load.ts'));
    const command = scriptCommand(
      `const { loadStrategy } = await import(${load}); await loadStrategy(process.argv[1]).catch((e) => console.log(e.code, e.message))`,
      [file],
    );
    // Root reads files of any mode, unless without these capabilities.
    const both = '-dac_override,-dac_read_search';
    const weakened =
      process.getuid?.() === 0 ? ['setpriv', `--bounding-set=${both}`, `--inh-caps=${both}`] : [];
    const { stdout, stderr } = await run([...weakened, ...command]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^strategy .*secret\.yaml: may not be read by this user; .*\n$/);
  });

  test('values of the file do not appear in messages about their kind', async () => {
    const file = await put('password.yaml', withLine('signer: { password: hunter2 }'));
    expect((await errorOf(file)).message).not.toContain('hunter2');
  });

  test('what a checked strategy asks for and is refused has its place', async () => {
    const strategy = await loadStrategy(await put('sample.yaml', SAMPLE));
    expect(notWorkingYet(strategy).map(({ line, column, key }) => [line, column, key])).toEqual([
      [7, 14, 'sources[1].command'],
      [14, 17, 'limits.size'],
    ]);
  });
});

test('a pattern that would have to begin outside of all paths of its source is told, with what to write', () => {
  const text = SAMPLE.replace('/srv/www/cache/]', '/srv/www/cache/, www/cache/, "!www/keep"]');
  const { problems } = checkStrategy(text, FILE);
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^"www\/cache\/" is read from the root .*"\*\*\/www\/cache\/" for any depth$/),
    expect.stringMatching(/^"!www\/keep" is read from the root .*"!\*\*\/www\/keep" for any depth$/),
  ]);
  // A list that sources share is in order where one of them has what a pattern leads to.
  const shared = text
    .replace('paths: [/srv/www, /etc/nginx]', 'paths: [/home]')
    .replace('  - name: orders', '  - name: other\n    paths: [/www]\n  - name: orders');
  expect(checkStrategy(shared, FILE).problems).toEqual([]);
  expect(checkStrategy(text.replaceAll('www/cache/, "!www/keep"', 'srv/www/x'), FILE).problems).toEqual([]);
});
