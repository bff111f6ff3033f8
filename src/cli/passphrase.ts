/** Gets a passphrase from a file or from a person at a terminal; never from an argument, and shows it to nobody. */
import { closeSync, openSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { ReadStream, WriteStream } from 'node:tty';
import { HoldfastError, systemCode } from '../errors.ts';

/** Where a person is asked: a terminal's two directions, or streams that behave like one. */
export interface Terminal {
  input: NodeJS.ReadableStream & { setRawMode?(raw: boolean): unknown };
  output: NodeJS.WritableStream;
}

/** A terminal of our own making, to be closed after use. */
export interface OpenedTerminal extends Terminal {
  close(): void;
}

/** A passphrase from a file. */
export interface FilePassphrase {
  passphrase: string;
  /** What the user should be told of the file, if anything. */
  note: string | undefined;
}

/** Longest first line of a passphrase file that is accepted, in bytes. */
const LONGEST = 4096;

/** How often a new passphrase is asked for when its two entries differ. */
const TRIES = 3;

/** Keys that end or edit an entry, as a terminal in raw mode sends them. */
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const CTRL_U = '\x15';
const ERASE = ['\b', '\x7f'];

/**
 * The first line of a file, without its line end. Errors: `key`, when the file is missing, unreadable or not UTF-8,
 * or when that line is empty or longer than 4096 bytes.
 */
export async function readPassphraseFile(file: string): Promise<FilePassphrase> {
  const start = await readStart(file);
  const end = start.findIndex((byte) => byte === 0x0a || byte === 0x0d);
  const line = end < 0 ? start : start.subarray(0, end);
  if (line.length > LONGEST) throw fileError(file, `its first line is longer than ${LONGEST} bytes`);
  let passphrase: string;
  try {
    passphrase = new TextDecoder('utf-8', { fatal: true }).decode(line);
  } catch {
    throw fileError(file, 'its first line is not UTF-8 text');
  }
  if (passphrase === '') throw fileError(file, 'its first line is empty');
  return { passphrase, note: await permissionsNote(file) };
}

/**
 * Asks for a passphrase without showing what is typed. Backspace and Ctrl-U edit; Ctrl-C ends with the error
 * `interrupted`; Ctrl-D on an empty line, or the end of the input, with the error `key`.
 */
export async function askPassphrase(question: string, terminal: Terminal): Promise<string> {
  const { input, output } = terminal;
  const decoder = new StringDecoder('utf8');
  // Raw mode first: whoever types as soon as the question stands there must not see it echoed.
  input.setRawMode?.(true);
  output.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      let typed = '';
      const onData = (data: Buffer | string) => {
        const text = typeof data === 'string' ? data : decoder.write(data);
        const { entry, ended } = edit(typed, text);
        typed = entry;
        if (ended === undefined) return;
        stop();
        if (ended === 'enter') resolve(typed);
        else reject(ended === 'interrupt' ? interrupted() : noEntry());
      };
      const onEnd = () => {
        stop();
        reject(noEntry());
      };
      const stop = () => {
        input.off('data', onData).off('end', onEnd).off('error', onEnd).pause();
      };
      input.on('data', onData).on('end', onEnd).on('error', onEnd).resume();
    });
  } finally {
    input.setRawMode?.(false);
    output.write('\n');
  }
}

/** Asks for a new passphrase twice, until both entries agree and are not empty. Errors: `key` after three tries. */
export async function askNewPassphrase(terminal: Terminal): Promise<string> {
  for (let left = TRIES; left > 0; left -= 1) {
    const first = await askPassphrase('New passphrase: ', terminal);
    if (first === '') {
      terminal.output.write('The passphrase must not be empty.\n');
      continue;
    }
    if ((await askPassphrase('The same again: ', terminal)) === first) return first;
    terminal.output.write('The two entries differ.\n');
  }
  throw new HoldfastError('key', 'no passphrase was set: try again, or give it with --passphrase-file');
}

/** The terminal of this process, even when its standard streams are redirected; undefined under cron and the like. */
export function openTerminal(): OpenedTerminal | undefined {
  const fds: number[] = [];
  try {
    fds.push(openSync('/dev/tty', 'r'));
    fds.push(openSync('/dev/tty', 'w'));
    const input = new ReadStream(fds[0] as number);
    const output = new WriteStream(fds[1] as number);
    return {
      input,
      output,
      close: () => {
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    for (const fd of fds) closeSync(fd);
    return undefined;
  }
}

/** What typed text makes of an entry so far, and whether it ended it. */
function edit(entry: string, text: string): { entry: string; ended?: 'enter' | 'interrupt' | 'end' } {
  let typed = [...entry];
  // Arrow keys and the like arrive as escape sequences, which are no part of a passphrase.
  for (const key of text.replace(/\x1b(\[[0-9;]*[ -/]*[@-~]|O.)?/g, '')) {
    if (key === '\r' || key === '\n') return { entry: typed.join(''), ended: 'enter' };
    if (key === CTRL_C) return { entry: '', ended: 'interrupt' };
    if (key === CTRL_D && typed.length === 0) return { entry: '', ended: 'end' };
    if (key === CTRL_U) typed = [];
    else if (ERASE.includes(key)) typed.pop();
    else if (key >= ' ') typed.push(key);
  }
  return { entry: typed.join('') };
}

/** As much of a file as a first line may take. The file may be a pipe. */
async function readStart(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const buffer = Buffer.alloc(LONGEST + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
        length += bytesRead;
        if (bytesRead === 0 || buffer.subarray(0, length).includes(0x0a)) break;
      }
      return buffer.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = systemCode(error);
    throw fileError(file, code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`, error);
  }
}

async function permissionsNote(file: string): Promise<string | undefined> {
  const status = await stat(file);
  if (!status.isFile() || (status.mode & 0o044) === 0) return undefined;
  return `${file}: the passphrase file can be read by others than its owner: run chmod 600 on it`;
}

function fileError(file: string, problem: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'key',
    `${file}: cannot take the passphrase from this file, ${problem}: write the passphrase into its first line`,
    { path: file, cause },
  );
}

function interrupted(): HoldfastError {
  return new HoldfastError('interrupted', 'interrupted while asking for the passphrase: nothing was done');
}

function noEntry(): HoldfastError {
  return new HoldfastError('key', 'no passphrase was given: try again, or give it with --passphrase-file');
}
