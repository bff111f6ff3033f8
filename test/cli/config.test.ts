import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CheckMore, configCommand } from '../../src/cli/config.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { problemAt } from '../../src/strategy/problem.ts';
import { SMALLEST, WITH_COMMAND, WITH_PATHS } from '../strategy/samples.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function run(args: string[], checkMore?: CheckMore, env: NodeJS.ProcessEnv = {}) {
  const written = { out: '', err: '' };
  const context: CliContext = {
    env,
    cwd: folder,
    stdout: (text) => {
      written.out += text;
    },
    stderr: (text) => {
      written.err += text;
    },
    now: () => new Date(0),
    stdin: process.stdin,
    isTTY: { stdout: false, stderr: false, stdin: false },
    exitCode: 0,
  };
  let error: unknown;
  await configCommand(context, checkMore)
    .parseAsync(args, { from: 'user' })
    .catch((thrown: unknown) => {
      error = thrown;
    });
  return { ...written, code: context.exitCode, error };
}

async function put(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

describe('config check', () => {
  test('a strategy in order is said to be so, with 0', async () => {
    const file = await put('small.yaml', SMALLEST);
    expect(await run(['check', '-c', file])).toEqual({
      out: `${file}: in order\n`,
      err: '',
      code: 0,
      error: undefined,
    });
  });

  test('all problems are named at once, each with its place, with 2', async () => {
    const file = await put(
      'bad.yaml',
      SMALLEST.replace('name: small', 'nmae: small').replace('/store', '~/store'),
    );
    const { out, err, code } = await run(['check', '--config', file]);
    expect(out.split('\n')).toEqual([
      `${file}:1:1: nmae: unknown key; did you mean "name"?`,
      expect.stringContaining(`${file}:3:21: store.directory: "~" is not replaced`),
      `${file}: 2 problems`,
      '',
    ]);
    expect([err, code]).toEqual(['', 2]);
  });

  test('what is refused as yet and what is not acted upon is named, with 2', async () => {
    const file = await put('paths.yaml', WITH_PATHS);
    const { out, code } = await run(['check', '-c', file]);
    expect(out).toContain(`${file}:35:9: limits.size: `);
    expect(out).toContain('\nretention: accepted, not acted upon yet: nothing is deleted\n');
    expect(out).toContain('well-formed, but asks for 1 thing that "holdfast backup" refuses as yet');
    expect(code).toBe(2);
  });

  test('what is only not acted upon is named, with 0', async () => {
    const file = await put('notes.yaml', `${SMALLEST}objectives: { rpo: 1d }\n`);
    const { out, code } = await run(['check', '-c', file]);
    expect(out).toMatch(/^objectives: accepted, not acted upon yet: .*\n.*: in order\n$/);
    expect(code).toBe(0);
  });

  test('further checks are asked once the text is in order, and told with it', async () => {
    const checkMore: CheckMore = async (strategy) => [
      problemAt(strategy, 'recipients[0]', `there is no ${strategy.recipients[0]}`),
    ];
    const file = await put('keys.yaml', WITH_COMMAND);
    const { out, code } = await run(['check', '-c', file], checkMore);
    expect(out).toContain(`${file}:20:5: recipients[0]: there is no ${join(folder, 'it-staff.asc')}\n`);
    expect(out).toContain('sources[0].command');
    expect(code).toBe(2);
    const broken = await put('broken.yaml', `${SMALLEST}x: 1\n`);
    expect((await run(['check', '-c', broken], checkMore)).out).not.toContain('recipients[0]');
  });

  test('--json is one JSON document with the same', async () => {
    const file = await put('json.yaml', `${SMALLEST}limits: { size: 1GB }\nretention: { points: 3d }\n`);
    const { out, err, code } = await run(['check', '-c', file, '--json']);
    expect(JSON.parse(out)).toEqual({
      file,
      ok: false,
      problems: [],
      refused: [{ line: 5, column: 17, key: 'limits.size', message: expect.any(String) }],
      notes: [expect.stringContaining('retention')],
    });
    expect([err, code]).toEqual(['', 2]);
    const wrong = await put('json-wrong.yaml', `${SMALLEST}limitss: {}\n`);
    expect(JSON.parse((await run(['check', '-c', wrong, '--json'])).out)).toMatchObject({
      ok: false,
      problems: [{ line: 5, column: 1, key: 'limitss' }],
    });
    const right = await put('json-right.yaml', SMALLEST);
    expect(JSON.parse((await run(['check', '-c', right, '--json'])).out)).toMatchObject({
      ok: true,
      problems: [],
      refused: [],
    });
  });

  test('the file is found by HOLDFAST_CONFIG, or in the current folder', async () => {
    await put('named.yaml', SMALLEST);
    expect((await run(['check'], undefined, { HOLDFAST_CONFIG: 'named.yaml' })).out).toContain(
      join(folder, 'named.yaml'),
    );
    const habit = await put('holdfast.yaml', SMALLEST);
    expect((await run(['check'])).out).toContain(habit);
    await rm(habit);
  });

  test('a file that is not there is an error, and nothing is printed', async () => {
    const { out, error } = await run(['check', '-c', 'nowhere.yaml']);
    expect(out).toBe('');
    expect(error).toMatchObject({
      code: 'strategy',
      message: expect.stringContaining(join(folder, 'nowhere.yaml')),
    });
  });
});

describe('config schema and config example', () => {
  test('the schema is JSON on standard output', async () => {
    const { out, err, code } = await run(['schema']);
    expect(JSON.parse(out)).toMatchObject({ properties: { name: {}, sources: {} } });
    expect([err, code]).toEqual(['', 0]);
  });

  test('the example is a file that config check accepts', async () => {
    const { out, err } = await run(['example']);
    expect(err).toBe('');
    const file = await put('example.yaml', out);
    expect((await run(['check', '-c', file])).code).toBe(0);
  });
});

describe('holdfast config', () => {
  test.each([['check'], ['schema'], ['example']])('%s --help shows an example', async (name) => {
    const { out, err } = await run([name, '--help']);
    expect(out).toContain(`Example:\n  holdfast config ${name}`);
    expect(err).toBe('');
  });

  test.each([[['chek']], [['check', '--jsn']], [['check', 'surplus']]])(
    '%j is refused on standard error',
    async (args) => {
      const { out, err, error } = await run(args);
      expect(out).toBe('');
      expect(err).toMatch(/^error: /);
      expect(error).toBeInstanceOf(Error);
    },
  );

  test('what a start without a strategy loads holds neither zod nor yaml', () => {
    const packages = new Set<string>();
    const seen = new Set<string>();
    const follow = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, from] of readFileSync(file, 'utf8').matchAll(
        /^(?:import|export) (?!type)[^;]*?from '([^']+)';/gm,
      )) {
        if (!from!.startsWith('.')) packages.add(from!);
        else if (existsSync(new URL(from!, `file://${file}`)))
          follow(fileURLToPath(new URL(from!, `file://${file}`)));
        else throw new Error(`${file} imports ${from}, which is not there`);
      }
    };
    follow(fileURLToPath(new URL('../../src/cli/config.ts', import.meta.url)));
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['commander']);
  });
});
