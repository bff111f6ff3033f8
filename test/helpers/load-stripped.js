/** Preloaded into the processes of the tests and their threads: what stripped.ts has made is loaded in the place of the sources. */
import { readFileSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = process.env.HOLDFAST_STRIPPED;
const sources = new URL('../../src/', import.meta.url).href;

/** The source of a module without its types; undefined where it has changed since, or is none of the project's. */
function strippedOf(url) {
  if (!url.startsWith(sources) || !url.endsWith('.ts')) return undefined;
  const source = fileURLToPath(url);
  const made = `${folder}${source}`;
  try {
    // Times of this file may be kept less finely than those of that one.
    const isOfIt = Math.abs(statSync(made).mtimeMs - statSync(source).mtimeMs) < 1;
    return isOfIt ? readFileSync(made, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

if (folder !== undefined) {
  registerHooks({
    load(url, context, next) {
      const source = strippedOf(url);
      return source === undefined ? next(url, context) : { format: 'module', source, shortCircuit: true };
    },
  });
}
