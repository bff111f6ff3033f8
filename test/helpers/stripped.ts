/**
 * The sources without their types, made once for a whole run of the tests (called by vitest). Worker threads run as Node loads them, and where they are TypeScript,
 * Node strips the types in each thread by a program in WebAssembly, which costs half of a thread's start; and where many threads begin and end with it,
 * V8 now and then ends the whole process (SIGTRAP; "Check failed" in its registry of WebAssembly code, nodejs/node issue 64500).
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { project } from './script.ts';

/** Where load-stripped.js finds them: in the environment of the tests' processes, and of all that they start. */
const VARIABLE = 'HOLDFAST_STRIPPED';

export default function setup(): (() => void) | undefined {
  // Each project of the configuration calls this.
  if (process.env[VARIABLE] !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-stripped-'));
  const root = project('src');
  const { emitWarning } = process;
  // It says that this may change.
  process.emitWarning = () => {};
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, stripTypeScriptTypes(readFileSync(join(root, name), 'utf8')));
  }
  process.emitWarning = emitWarning;
  process.env[VARIABLE] = folder;
  return () => {
    delete process.env[VARIABLE];
    rmSync(folder, { recursive: true, force: true });
  };
}
