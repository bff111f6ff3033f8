/** Preloaded into the processes of the tests and their threads: what stripped.ts has made is loaded in the place of the sources. */
import { readFileSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = process.env.HOLDFAST_STRIPPED;
const sources = new URL('../../src/', import.meta.url).href;

/** The source of a module without its types; undefined where it has changed since, or is none of the project's. */
function strippedOf(url) {
  if (!url.startsWith(sources) || !url.endsWith('.ts')) return undefined;
  const file = `${folder}/${decodeURIComponent(url.slice(sources.length))}`;
  const made = statSync(file, { throwIfNoEntry: false });
  const source = statSync(fileURLToPath(url), { throwIfNoEntry: false });
  return made && source && source.mtimeMs <= made.mtimeMs ? readFileSync(file, 'utf8') : undefined;
}

if (folder !== undefined) {
  registerHooks({
    load(url, context, next) {
      const source = strippedOf(url);
      return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true };
    },
  });
}
