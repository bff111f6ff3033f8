// How `npm run build` makes dist/: modules that are loaded together become one file, and what is used of the packages named here comes along in them. To load
// hundreds of small files took a tenth of the time of a short command (docs/decisions/018-bundle.md).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const BUNDLED = ['commander', 'ignore', 'openpgp', 'yaml', 'zod'];

/** Packages that pkgcloud and its request library load, and of which no request of ours uses anything (docs/decisions/010-pkgcloud.md). */
const LEFT_OUT = [
  'async',
  'aws-sign2',
  'aws4',
  'combined-stream',
  'filed-mimefix',
  'forever-agent',
  'form-data',
  'http-signature',
  'mime',
  'mime-types',
  'tunnel-agent',
];

/** Modules of which something is asked while they are loaded, and nothing later. */
const STAND_INS = {
  // All of pkgcloud's clouds, for its version: the agent's name.
  'pkgcloud/lib/pkgcloud.js': (id) =>
    `exports.version = ${JSON.stringify(JSON.parse(readFileSync(join(id, '../../package.json'), 'utf8')).version)};`,
  // A jar of cookies for requests that ask for it, and with it a list of all public suffixes.
  'request/lib/cookies.js': () => 'exports.jar = () => undefined;',
};

// Names stay, for the sake of those who read where an error came from.
const minify = { mangle: false, compress: false, codegen: { removeWhitespace: true } };

/** The program and its threads. A thread is found beside whatever starts it: src/worker/start.ts. */
const program = {
  input: [
    'src/cli/main.ts',
    'src/backup/produce-worker.ts',
    'src/backup/seal-worker.ts',
    'src/backup/walk-worker.ts',
    'src/restore/restore-worker.ts',
    'src/verify/opening-worker.ts',
  ],
  platform: 'node',
  plugins: [notices()],
  external: (id) => /^[a-z@]/.test(id) && !BUNDLED.some((name) => id === name || id.startsWith(`${name}/`)),
  output: {
    dir: 'dist',
    cleanDir: true,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting: { groups: BUNDLED.map((name) => ({ name, test: new RegExp(`/node_modules/${name}/`) })) },
    minify,
    sourcemap: true,
  },
};

const STORAGE = 'pkgcloud/lib/pkgcloud/openstack/storage/index.js';

/**
 * What is used of pkgcloud, in one file: where Node looks for it first, and before the package itself. Node holds its warnings of what is deprecated back from files in a folder of
 * that name. CommonJS, as all of it is written: in the other form all of it would be strict, which some of it is not made for.
 */
const pkgcloud = {
  input: `node_modules/${STORAGE}`,
  platform: 'node',
  plugins: [{ name: 'left out', load: standIn }, notices()],
  output: {
    dir: 'dist/node_modules/pkgcloud',
    format: 'cjs',
    entryFileNames: STORAGE.slice('pkgcloud/'.length),
    codeSplitting: false,
    minify,
    sourcemap: true,
  },
};

export default [program, pkgcloud];

function standIn(id) {
  const name = partsOf(id)?.name;
  if (LEFT_OUT.includes(name)) return 'module.exports = {};';
  return Object.entries(STAND_INS).find(([file]) => id.endsWith(`/node_modules/${file}`))?.[1](id);
}

/** The package that a file belongs to. */
function partsOf(id) {
  const found = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(id);
  return found === null ? undefined : { folder: found[1], name: found[2] };
}

/** What comes along in dist/ stands under licences of its own. */
function notices() {
  return {
    name: 'notices',
    generateBundle(_, files) {
      const ids = Object.values(files).flatMap(({ modules = {} }) => Object.keys(modules));
      const parts = ids.flatMap((id) => partsOf(id) ?? []).filter(({ name }) => !LEFT_OUT.includes(name));
      const folders = new Set(parts.map(({ folder }) => folder));
      this.emitFile({
        type: 'asset',
        fileName: 'NOTICES.txt',
        source: [...folders]
          .sort()
          .map(notice)
          .join(`\n${'-'.repeat(80)}\n\n`),
      });
    },
  };
}

function notice(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? undefined : readFileSync(join(folder, file), 'utf8').trim();
  return `${name} ${version}\n\n${text ?? `${license}, by ${author?.name ?? author}`}\n`;
}
