/**
 * The sources without their types, made once for a whole run of the tests (called by vitest). Worker threads run as Node loads them, and where they are TypeScript,
 * Node strips the types in each thread by a program in WebAssembly, which costs half of a thread's start. Twice V8 has ended a process of the tests (SIGTRAP); it was not
 * found out why, but programs in WebAssembly that come and go are known to make it do so (nodejs/node issue 64500).
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { project } from './script.ts';

/** Where load-stripped.js finds them, by their whole paths: in the environment of the tests' processes, and of all that they start. */
const VARIABLE = 'HOLDFAST_STRIPPED';

export default function setup(): (() => void) | undefined {
  const root = project('src');
  // Each project of the configuration calls this; what another checkout has left there is none of this one's.
  const known = process.env[VARIABLE];
  if (known !== undefined && existsSync(`${known}${root}`)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-stripped-'));
  const { emitWarning } = process;
  // It says that this may change.
  process.emitWarning = () => {};
  // Tests run as other users, too.
  const umask = process.umask(0o022);
  try {
    chmodSync(folder, 0o755);
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.ts')) strip(join(root, name), `${folder}${join(root, name)}`);
  } finally {
    process.umask(umask);
    process.emitWarning = emitWarning;
  }
  process.env[VARIABLE] = folder;
  return () => {
    delete process.env[VARIABLE];
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Leaves out what cannot be stripped: Node will say why to whoever loads it. */
function strip(source: string, made: string): void {
  const { atime, mtime } = statSync(source);
  const text = readFileSync(source, 'utf8');
  mkdirSync(dirname(made), { recursive: true });
  try {
    writeFileSync(made, stripTypeScriptTypes(text));
  } catch {
    return;
  }
  // By this it is seen whether the source has changed since.
  utimesSync(made, atime, mtime);
}
