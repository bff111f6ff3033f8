// How `npm run build` makes dist/: modules that are loaded together become one file, and what is used of the packages named here comes along in them. To load
// hundreds of small files took a tenth of the time of a short command (docs/decisions/018-bundle.md).
import { readdirSync, readFileSync } from 'node:fs';

const BUNDLED = ['commander', 'ignore', 'openpgp', 'yaml', 'zod'];

export default {
  // The program and its threads. A thread is found beside whatever starts it: src/worker/start.ts.
  input: [
    'src/cli/main.ts',
    'src/backup/produce-worker.ts',
    'src/backup/seal-worker.ts',
    'src/backup/walk-worker.ts',
    'src/restore/restore-worker.ts',
    'src/verify/opening-worker.ts',
  ],
  platform: 'node',
  plugins: [{ name: 'notices', generateBundle: emitNotices }],
  external: (id) => /^[a-z@]/.test(id) && !BUNDLED.some((name) => id === name || id.startsWith(`${name}/`)),
  output: {
    dir: 'dist',
    cleanDir: true,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting: { groups: BUNDLED.map((name) => ({ name, test: new RegExp(`/node_modules/${name}/`) })) },
    // Names stay, for the sake of those who read where an error came from.
    minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
    sourcemap: true,
  },
};

/** What comes along in dist/ stands under licences of its own. */
function emitNotices() {
  const notices = BUNDLED.map((name) => {
    const folder = new URL(`node_modules/${name}/`, import.meta.url);
    const { version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
    const licence = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
    return `${name} ${version}\n\n${readFileSync(new URL(licence, folder), 'utf8').trim()}\n`;
  });
  this.emitFile({ type: 'asset', fileName: 'NOTICES.txt', source: notices.join(`\n${'-'.repeat(80)}\n\n`) });
}
