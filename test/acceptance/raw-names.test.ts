/** Names that are not UTF-8 on the command line: the file that was named is meant, never the one that Node makes of its name. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeFolder, temporaryFolder } from '../helpers/temporary.ts';
import { jsonLines, Machine } from './program.ts';

const RAW = Buffer.from([0x61, 0xff, 0xc3, 0x28]);
/** What Node takes the other for. */
const REPLACED = 'a\ufffd\ufffd(';

let machine: Machine;

function below(folder: string, name: Buffer = RAW): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), name]);
}

beforeAll(async () => {
  machine = await Machine.make({}, await makeFolder());
  writeFileSync(below(machine.source), 'raw');
  writeFileSync(machine.at(REPLACED), 'replaced');
  await machine.backup();
});

/** Runs the program with a last argument of any bytes, which only a shell can give. */
async function runRaw(last: Buffer, args: readonly string[], node = process.execPath) {
  const octal = [...last].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  return machine.runAs({ command: ['sh', '-c', `exec "$@" "$(printf '${octal}')"`, 'sh'], node }, ...args);
}

const key = () => ['--secret-key', machine.secretKey];

describe('a path that is not UTF-8', () => {
  test('is the one that cat, ls, find, diff and why look for', async () => {
    const raw = below(machine.source);
    expect(await runRaw(raw, ['cat', ...key()])).toMatchObject({ code: 0, stdout: 'raw' });
    const shown = `${machine.source}/a\\xff\\xc3(`;
    expect(await runRaw(raw, ['ls', ...key()])).toMatchObject({ code: 0, stdout: `${shown}\n` });
    for (const name of [raw, RAW]) {
      const found = jsonLines((await runRaw(name, ['find', ...key(), '--json'])).stdout);
      expect(found).toMatchObject([{ pathBase64: raw.toString('base64') }]);
    }
    expect((await runRaw(raw, ['why'])).stdout).toContain(`${shown} is backed up`);
    expect(await runRaw(raw, ['diff', ...key(), 'latest'])).toMatchObject({ code: 0, stdout: '' });
    const none = below(machine.source, Buffer.from([0xfe]));
    expect(await runRaw(none, ['cat', ...key()])).toMatchObject({ code: 10, stdout: '' });
    expect((await runRaw(none, ['why'])).stdout).toContain('/\\xfe would be backed up');
  });

  test('is the one that restore brings back', async () => {
    const to = join(await temporaryFolder(), 'to');
    const { code, stderr } = await runRaw(below(machine.source), ['restore', ...key(), '--to', to]);
    expect(code, stderr).toBe(0);
    expect(readFileSync(Buffer.concat([Buffer.from(to), below(machine.source)]), 'utf8')).toBe('raw');
    expect(() => readFileSync(join(to, machine.source, REPLACED))).toThrow('ENOENT');
  });

  test('is so also where an older Node hands the program over', async () => {
    // That of the machine: where it is no older one, nothing is handed over.
    const folders = (process.env.PATH ?? '').split(':').filter((folder) => !folder.includes('node_modules'));
    const old = folders.map((folder) => join(folder, 'node')).find((file) => existsSync(file));
    for (const command of ['cat', 'restore']) {
      const more = command === 'cat' ? [] : ['--tar'];
      const { code, stdout } = await runRaw(below(machine.source), [command, ...key(), ...more], old);
      expect(code).toBe(0);
      expect(stdout).toContain('raw');
      expect(stdout).not.toContain('replaced');
    }
  });

  test('is told apart from one that has U+FFFD in it', async () => {
    const { stdout } = await machine.run('cat', ...key(), machine.at(REPLACED));
    expect(stdout).toBe('replaced');
  });

  test('is refused where it would be that of a file to read or to write, or of a pattern', async () => {
    const folder = await temporaryFolder();
    mkdirSync(below(folder));
    for (const args of [
      ['restore', ...key(), '--to'],
      ['restore', ...key(), '--to', join(folder, 'x'), '--exclude'],
      ['ls', '--secret-key'],
      ['config', 'check', '-c'],
      ['backup', '-c'],
    ]) {
      const { code, stderr } = await runRaw(below(folder), args);
      expect(code, args.join(' ')).toBe(2);
      expect(stderr).toContain('a\\xff\\xc3( is not UTF-8');
      expect(stderr.split('\n')).toHaveLength(2);
    }
  });
});
