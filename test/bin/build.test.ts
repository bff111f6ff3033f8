/** What the build makes: rolldown.config.js is to name all threads, and to leave the packages as files whose parts must be the only ones of their kind. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { project } from '../helpers/script.ts';

const dist = project('dist');

/** Names that startWorker() is called with, in all sources. */
function threads(): string[] {
  const names: string[] = [];
  for (const file of readdirSync(project('src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(join(project('src'), file), 'utf8');
    for (const [, name] of text.matchAll(/\bstartWorker\('([^']+)'/g)) names.push(name as string);
  }
  return names;
}

/** What a file of the build imports, before it runs or later. */
function importsOf(name: string, later = false): string[] {
  const text = readFileSync(join(dist, name), 'utf8');
  const found = later
    ? /\bimport\([`'"]([^`'"]+)[`'"]\)/g
    : /(?:^|[;}])(?:import|export)[^;`'"()]*["']([^"']+)["']/g;
  return [...text.matchAll(found)].map(([, specifier]) => specifier as string);
}

/** All files of the build that are loaded with `name`, itself included, and all that is imported from elsewhere. */
function loadedWith(name: string, later: boolean): { own: Set<string>; others: Set<string> } {
  const [own, others] = [new Set<string>(), new Set<string>()];
  const add = (file: string): void => {
    if (own.has(file)) return;
    own.add(file);
    for (const specifier of [...importsOf(file), ...(later ? importsOf(file, true) : [])]) {
      if (specifier.startsWith('./')) add(specifier.slice(2));
      else others.add(specifier);
    }
  };
  add(name);
  return { own, others };
}

describe('the build', () => {
  test('has a file for each thread, beside the one that starts it', () => {
    const names = threads();
    expect(names.length).toBeGreaterThan(3);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(existsSync(join(dist, `${name}.js`)), name).toBe(true);
  });

  test('threads load neither zod nor yaml nor openpgp', () => {
    for (const name of threads()) {
      const { own } = loadedWith(`${name}.js`, true);
      expect(own.size).toBeGreaterThan(1);
      expect([...own].filter((file) => /^(zod|yaml|openpgp|commander)/.test(file))).toEqual([]);
    }
  });

  test('what is loaded from elsewhere is what must be: by its own files, or found only when it runs', () => {
    const { own, others } = loadedWith('main.js', true);
    expect(own.size).toBeGreaterThan(50);
    const packages = [...others].filter((name) => !name.startsWith('node:') && name !== 'module').sort();
    expect(packages).toEqual(['fs-native-extensions']);
  });

  test('pkgcloud is in one file, without what no request uses, and with the licences of what is in it', () => {
    const path = 'pkgcloud/lib/pkgcloud/openstack/storage/index.js';
    expect(createRequire(join(dist, 'main.js')).resolve(path)).toBe(join(dist, 'node_modules', path));
    const text = readFileSync(join(dist, 'node_modules', path), 'utf8');
    expect(text.match(/\brequire\([^)]+\)/g)?.filter((call) => !isBuiltin(call.slice(9, -2)))).toEqual([]);
    expect(text.length).toBeLessThan(500_000);
    const notices = readFileSync(join(dist, 'node_modules/pkgcloud/NOTICES.txt'), 'utf8');
    for (const name of ['pkgcloud', 'lodash', '@cypress/request', 'qs'])
      expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'));
  });

  test('Swift is spoken to without the client that an import of node:http would load', () => {
    const files = readdirSync(dist).filter((name) => name.endsWith('.js'));
    const importing = files.filter((name) => importsOf(name).includes('node:http'));
    expect(importing).toEqual([]);
  });

  test('the version and nothing heavy: what --version loads', () => {
    const { own } = loadedWith('main.js', false);
    expect(own.has('version.js')).toBe(true);
    expect([...own].filter((file) => /^(zod|yaml|openpgp|commander)/.test(file))).toEqual([]);
  });
});
