/** A restore card in use: what lies in the safe, on another machine, and the commands of the card as they stand on it. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Gnupg } from '../crypto/gnupg.ts';
import { project, run } from '../helpers/script.ts';
import { HOLDFAST, type Machine } from './program.ts';

const COMMAND = /^ {5}(holdfast|gpg|python3|swift) /;

/** The commands of a card as they stand on it, with its end-of-line backslashes. */
function commandsOf(card: string): string[] {
  const commands: string[] = [];
  let open = false;
  for (const line of card.split('\n')) {
    if (open) commands.push(`${commands.pop()}\n${line}`);
    else if (COMMAND.test(line)) commands.push(line);
    open = (open || COMMAND.test(line)) && line.endsWith('\\');
  }
  return commands;
}

/** The safe's envelope on another machine: the secret key, the script, and Holdfast; returns the folder. */
export function layOut(machine: Machine): string {
  const desk = join(machine.folder, 'desk');
  mkdirSync(join(desk, 'bin'), { recursive: true });
  writeFileSync(join(desk, 'secret.asc'), readFileSync(machine.secretKey), { mode: 0o600 });
  writeFileSync(join(desk, 'recover.py'), readFileSync(project('docs/recover.py')));
  writeFileSync(join(desk, 'bin/holdfast'), `#!/bin/sh\nexec '${process.execPath}' '${HOLDFAST}' "$@"\n`);
  chmodSync(join(desk, 'bin/holdfast'), 0o755);
  return desk;
}

/**
 * Makes sure that the card has these commands (their first two words), and that each goes well in the folder `desk`, with `env` exported. What
 * command number i restores goes to `restored-i` there, instead of `/restored`.
 */
export async function followCard(
  card: string,
  desk: string,
  env: NodeJS.ProcessEnv,
  expected: string[],
): Promise<void> {
  const gnupg = await Gnupg.start();
  try {
    const all = { ...process.env, PATH: `${desk}/bin:${process.env.PATH}`, GNUPGHOME: gnupg.home, ...env };
    const commands = commandsOf(card);
    expect(commands.map((command) => command.trim().split(' ').slice(0, 2).join(' '))).toEqual(expected);
    for (const [i, command] of commands.entries()) {
      const here = command
        .replace('/restored', `restored-${i}`)
        .replace('gpg --import', 'gpg --batch --import');
      const { code, stdout, stderr } = await run(['sh', '-c', `cd "$1" && ${here}`, 'sh', desk], all);
      expect(code, `${here}\n${stderr}`).toBe(0);
      if (i === 0) expect(stdout).toMatch(/\n +1 .* full .* whole\n$/);
    }
  } finally {
    gnupg.stop();
  }
}
