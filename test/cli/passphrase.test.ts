import { execFileSync } from 'node:child_process';
import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { askNewPassphrase, askPassphrase, readPassphraseFile } from '../../src/cli/passphrase.ts';
import { HoldfastError } from '../../src/errors.ts';
import { project, run, scriptCommand } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

async function failure(promise: Promise<unknown>): Promise<HoldfastError> {
  const error = await promise.then(
    (value) => value,
    (reason: unknown) => reason,
  );
  if (error instanceof HoldfastError) return error;
  throw new Error(`no HoldfastError: ${error}`);
}

async function passphraseFile(content: string | Uint8Array, mode = 0o600): Promise<string> {
  const file = join(await temporaryFolder(), 'passphrase');
  await writeFile(file, content);
  await chmod(file, mode);
  return file;
}

describe('a passphrase file', () => {
  test.each([
    ['secret\n', 'secret'],
    ['secret', 'secret'],
    ['secret\r\nsecond line\n', 'secret'],
    ['  spaces kept  \n', '  spaces kept  '],
    ['grüße\n', 'grüße'],
  ])('%j gives its first line without the line end', async (content, passphrase) => {
    expect(await readPassphraseFile(await passphraseFile(content))).toEqual({ passphrase, note: undefined });
  });

  test('may have a first line of 4096 bytes', async () => {
    const { passphrase } = await readPassphraseFile(await passphraseFile(`${'x'.repeat(4096)}\n`));
    expect(passphrase).toHaveLength(4096);
  });

  test('that others can read is taken, with a note', async () => {
    for (const mode of [0o640, 0o604]) {
      const file = await passphraseFile('secret\n', mode);
      const { passphrase, note } = await readPassphraseFile(file);
      expect(passphrase).toBe('secret');
      expect(note).toBe(
        `${file}: the passphrase file can be read by others than its owner: run chmod 600 on it`,
      );
    }
  });

  test('may be a pipe that stays open after the first line', async () => {
    const pipe = join(await temporaryFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reading = readPassphraseFile(pipe);
    const writer = await open(pipe, 'w');
    try {
      await writer.write('secret\n');
      expect(await reading).toEqual({ passphrase: 'secret', note: undefined });
    } finally {
      await writer.close();
    }
  });

  test('that is missing, empty, too long, not text or a folder is an error that shows nothing of it', async () => {
    const folder = join(await temporaryFolder(), 'folder');
    await mkdir(folder);
    const cases: [string, RegExp][] = [
      ['/nowhere/passphrase', /there is no such file/],
      [await passphraseFile(''), /its first line is empty/],
      [await passphraseFile('\nsecret\n'), /its first line is empty/],
      [await passphraseFile('x'.repeat(4097)), /its first line is longer than 4096 bytes/],
      [await passphraseFile(Buffer.from([0x73, 0xfc, 0xdf, 0x0a])), /its first line is not UTF-8 text/],
      [folder, /it cannot be read \(EISDIR\)/],
    ];
    for (const [file, why] of cases) {
      const error = await failure(readPassphraseFile(file));
      expect(error).toMatchObject({ code: 'key', path: file });
      expect(error.message).toMatch(why);
      expect(error.message).not.toMatch(/secret|xxx/);
    }
  });
});

/** Streams that behave like a terminal, and what happened to them. */
function fakeTerminal() {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { setRawMode: (on: boolean) => raw.push(on) });
  const output = new PassThrough();
  return { terminal: { input, output }, input, raw, shown: () => String(output.read() ?? '') };
}

describe('a prompt', () => {
  test.each([
    [['secret\r'], 'secret'],
    [['sec', 'ret', '\n'], 'secret'],
    [['secrex\x7ft\r'], 'secret'],
    [['\b\bsecrex\bt\r'], 'secret'],
    [['wrong\x15secret\r'], 'secret'],
    [['sec\x1b[Dr\x1b[1;5Cet\x1bOA\r'], 'secret'],
    [['\tse\x01cret\r'], 'secret'],
    [['😀ü\x7f\r'], '😀'],
    [['\r'], ''],
    [['secret\rmore'], 'secret'],
  ])('takes %j as %j', async (typed, passphrase) => {
    const { terminal, input, raw, shown } = fakeTerminal();
    const answer = askPassphrase('Passphrase: ', terminal);
    for (const text of typed) input.write(text);
    expect(await answer).toBe(passphrase);
    expect(shown()).toBe('Passphrase: \n');
    expect(raw).toEqual([true, false]);
  });

  test('takes a letter that arrives in halves', async () => {
    const { terminal, input } = fakeTerminal();
    const answer = askPassphrase('? ', terminal);
    for (const byte of Buffer.from('grüße\r')) input.write(Buffer.from([byte]));
    expect(await answer).toBe('grüße');
  });

  test.each([
    ['Ctrl-C', 'sec\x03', 'interrupted'],
    ['Ctrl-D on an empty line', '\x04', 'key'],
  ])('ends at %s, with the terminal as it was', async (_name, typed, code) => {
    const { terminal, input, raw } = fakeTerminal();
    const answer = failure(askPassphrase('Passphrase: ', terminal));
    input.write(typed);
    expect((await answer).code).toBe(code);
    expect(raw).toEqual([true, false]);
    expect(input.listenerCount('data')).toBe(0);
  });

  test('ends when its input ends or breaks', async () => {
    const ended = fakeTerminal();
    const answer = failure(askPassphrase('Passphrase: ', ended.terminal));
    ended.input.end('sec');
    expect((await answer).code).toBe('key');
    const broken = fakeTerminal();
    const other = failure(askPassphrase('Passphrase: ', broken.terminal));
    broken.input.destroy(new Error('EIO'));
    expect((await other).code).toBe('key');
  });
});

describe('a prompt for a new passphrase', () => {
  /** Answers each question with the next of these lines. */
  function answering(lines: string[]) {
    const { terminal, input, output } = { ...fakeTerminal(), output: new PassThrough() };
    const shown: string[] = [];
    output.on('data', (data) => {
      shown.push(String(data));
      if (String(data).endsWith(': ')) setImmediate(() => input.write(`${lines.shift()}\r`));
    });
    return { terminal: { ...terminal, output }, shown };
  }

  test('asks twice, and again when the entries differ or are empty', async () => {
    const { terminal, shown } = answering(['one', 'two', '', 'three', 'three']);
    expect(await askNewPassphrase(terminal)).toBe('three');
    expect(shown.join('')).toBe(
      'New passphrase: \nThe same again: \nThe two entries differ.\nNew passphrase: \nThe passphrase must not be empty.\nNew passphrase: \nThe same again: \n',
    );
  });

  test('gives up after three tries', async () => {
    const { terminal } = answering(['a', 'b', 'a', 'b', 'a', 'b']);
    expect((await failure(askNewPassphrase(terminal))).code).toBe('key');
  });
});

describe('the terminal of a process', () => {
  const module = JSON.stringify(project('src/cli/passphrase.ts'));

  test('is asked even when the standard streams are redirected, shows nothing of what is typed, and is restored', async () => {
    const code = `import { askPassphrase, openTerminal } from ${module};
      const terminal = openTerminal();
      const answer = await askPassphrase('Passphrase: ', terminal);
      terminal.close();
      console.log(Buffer.from(answer).toString('hex'));`;
    // Python's pty gives the process a real terminal; its standard streams are elsewhere.
    const python = `
import os, pty, select, subprocess, sys, termios
leader, follower = pty.openpty()
before = termios.tcgetattr(follower)
def attach():
    os.setsid()
    import fcntl
    fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=attach)
screen = b''
while b'Passphrase: ' not in screen and select.select([leader], [], [], 30)[0]:
    screen += os.read(leader, 1000)
os.write(leader, 'g\\u00fc\\u007fo typed\\r'.encode())
answer = child.communicate(timeout=30)[0].decode().strip()
while select.select([leader], [], [], 0.2)[0]:
    screen += os.read(leader, 1000)
restored = termios.tcgetattr(follower)[:4] == before[:4]
print(bytes.fromhex(answer).decode(), repr(screen.decode()), restored, child.returncode)`;
    const ended = await run(['python3', '-c', python, ...scriptCommand(code)]);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toBe("go typed 'Passphrase: \\r\\n' True 0\n");
  });

  test('is absent where there is none, as under cron', async () => {
    const code = `import { openTerminal } from ${module};
      console.log(openTerminal() === undefined);`;
    expect((await run(['setsid', '--wait', ...scriptCommand(code)])).stdout).toBe('true\n');
  });
});
