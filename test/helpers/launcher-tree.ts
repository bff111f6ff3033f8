/** A small installation of bin/holdfast.js in a temporary folder, with a program that does what its arguments say. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { delimiter, join } from 'node:path';
import { project } from './script.ts';

/** Stands in for dist/main.js: `report`, `exit N`, `die SIGNAL`, `fds`, `echo`, `wait [listen]`, or one of the heavy commands. */
const PROGRAM = `
  import { spawnSync } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { watchParent } from './parent.js';
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
  export async function main(argv) {
    watchParent(process.env);
    const [act, argument] = argv;
    if (act === 'report') {
      const { PATH, ...env } = process.env;
      say({ argv, cwd: process.cwd(), node: process.versions.node, env: Object.keys(env) });
    }
    if (['backup', 'restore', 'verify'].includes(act)) {
      const started = readFileSync('/proc/self/environ', 'utf8').split('\\0');
      say({ argv, started, env: Object.keys(process.env), flags: process.execArgv });
    }
    if (act === 'exit') return Number(argument);
    if (act === 'die') process.kill(process.pid, argument);
    if (act === 'fds') spawnSync('ls', ['-l', '/proc/self/fd'], { stdio: 'inherit' });
    if (act === 'echo') for await (const bytes of process.stdin) process.stdout.write(bytes);
    if (act === 'die' || act === 'wait') {
      if (argument === 'listen') {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT']) {
          process.on(signal, () => say(signal));
        }
      }
      if (argument === 'once') process.once('SIGTERM', () => say('SIGTERM'));
      if (act === 'wait') say(process.pid);
      await new Promise((resolve) => setTimeout(resolve, 30_000));
    }
    return 0;
  }
`;

export interface Tree {
  root: string;
  /** The executable. */
  bin: string;
  /** The newer Node that came along. */
  packaged: string;
  /** A folder with a `node` that is too old, and nothing else. */
  oldPath: string;
  /** A folder with a `node` that is new enough, and nothing else. */
  newPath: string;
}

/** Makes such a tree in an empty folder; the newer Node that came along with it is the one that runs this test. */
export async function launcherTree(root: string): Promise<Tree> {
  const [bin, dist, packaged] = ['bin', 'dist', `node_modules/node-${process.platform}-${process.arch}`].map(
    (f) => join(root, f),
  ) as [string, string, string];
  const [oldPath, newPath] = [join(root, 'path-old'), join(root, 'path-new')];
  for (const folder of [bin, dist, join(packaged, 'bin'), oldPath, newPath]) {
    await mkdir(folder, { recursive: true });
  }
  for (const name of ['holdfast.js', 'launch.js']) await cp(project(`bin/${name}`), join(bin, name));
  await cp(project('package.json'), join(root, 'package.json'));
  const parent = await readFile(project('src/cli/parent.ts'), 'utf8');
  await writeFile(join(dist, 'parent.js'), stripTypeScriptTypes(parent));
  await writeFile(join(dist, 'main.js'), PROGRAM);
  await writeFile(join(packaged, 'package.json'), JSON.stringify({ version: process.versions.node }));
  await symlink(process.execPath, join(packaged, 'bin/node'));
  await executable(join(newPath, 'node'), `exec '${process.execPath}' "$@"`);
  await makeOldNode(join(oldPath, 'node'), root);
  return { root, bin: join(bin, 'holdfast.js'), packaged: join(packaged, 'bin/node'), oldPath, newPath };
}

async function executable(file: string, script: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

/** The machine's own Node where that is too old, else this one, which then says that it is Node 20. */
async function makeOldNode(file: string, folder: string): Promise<void> {
  for (const place of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(place, 'node');
    if (place.includes('node_modules') || !existsSync(node)) continue;
    const version = /^v(\d+)\.(\d+)\./.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout);
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    if (major >= 18 && (major < 22 || (major === 22 && minor < 15))) return symlink(node, file);
  }
  const preload = join(folder, 'pretend.mjs');
  const versions = "{ ...process.versions, node: '20.20.2' }";
  await writeFile(preload, `Object.defineProperty(process, 'versions', { value: ${versions} });`);
  const version = '[ "$1" = --version ] && echo v20.20.2 && exit';
  await executable(file, `${version}\nexec '${process.execPath}' --import '${preload}' "$@"`);
}
