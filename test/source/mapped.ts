/** A process that has a file mapped into memory, and stores into it when it is told to. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from '../helpers/temporary.ts';

const WRITER = `
import mmap, os, sys
path, ask, answer = sys.argv[1:]
mapped = mmap.mmap(os.open(path, os.O_RDWR), 0)
while True:
    with open(ask, 'rb') as f:
        value = f.read()
    mapped[:] = value[:1] * len(mapped)
    with open(answer, 'wb') as f:
        f.write(b'.')
`;

/** Maps a file; the function returned fills it with one character, and returns when that is done. It ends with the test. */
export async function mapFile(file: string): Promise<(character: string) => void> {
  const folder = await temporaryFolder();
  const [ask, answer] = [join(folder, 'ask'), join(folder, 'answer')];
  execFileSync('mkfifo', [ask, answer]);
  const child = spawn('python3', ['-c', WRITER, file, ask, answer], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return (character) => {
    writeFileSync(ask, character);
    readFileSync(answer);
  };
}
