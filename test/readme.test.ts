/** README and docs/operations.md promise nothing that the built program does not know: command lines, options, exit codes, links. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../src/cli/exit.ts';
import { project, run } from './helpers/script.ts';

const DOCUMENTS = ['README.md', 'docs/operations.md'] as const;
const COMMANDS = [
  ...['', 'keygen', 'init', 'config', 'config check', 'config schema', 'config example'],
  ...['doctor', 'backup', 'why', 'points', 'ls', 'find', 'diff', 'cat', 'restore', 'verify'],
] as const;

/** What `--help` says of a command. */
interface Help {
  /** Options by name, long and short; whether each takes a value, may take one, or takes several. */
  options: Map<string, 'none' | 'perhaps' | 'one' | 'several'>;
  takesPaths: boolean;
  /** Names or points, which look like nothing special. */
  takesWords: boolean;
}

const helps = new Map<string, Help>();

beforeAll(async () => {
  for (const command of COMMANDS) {
    const words = command === '' ? [] : command.split(' ');
    const { code, stdout } = await run([process.execPath, project('bin/holdfast.js'), ...words, '--help']);
    expect(code, command).toBe(0);
    helps.set(command, parseHelp(stdout));
  }
});

function parseHelp(text: string): Help {
  const options: Help['options'] = new Map();
  for (const [, names = '', value] of text.matchAll(
    /^ {2}(-[\w-]+(?:, --[\w-]+)?)(?: ([<[][\w-]+(?:\.{3})?)[>\]])?/gm,
  )) {
    const perhaps = value?.startsWith('[') ? 'perhaps' : 'one';
    const takes = value === undefined ? 'none' : value.endsWith('...') ? 'several' : perhaps;
    for (const name of names.split(', ')) options.set(name, takes);
  }
  return {
    options,
    takesPaths: /^Usage: .*[[<]path\.\.\.[\]>]$/m.test(text),
    takesWords: /^Usage: .*(\[pattern\.\.\.\]$|<from>)/m.test(text),
  };
}

/** What stands in code blocks and code spans; a line that goes on after a backslash is one. */
function codeOf(document: string): string[] {
  const text = readFileSync(project(document), 'utf8');
  const blocks = [...text.matchAll(/^ *```\w*\n(.*?)^ *```$/gms)].flatMap(([, code = '']) =>
    code.replace(/\\\n\s*/g, '').split('\n'),
  );
  const rest = text.replace(/^ *```\w*\n.*?^ *```$/gms, '');
  const spans = [...rest.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replace(/\s+/g, ' '));
  return [...blocks, ...spans];
}

/** The words after `holdfast` in every command line. */
function commandLines(document: string): string[][] {
  return codeOf(document).flatMap((code) =>
    [...code.matchAll(/(?:^|[ "/])holdfast(?:\.js)? (?=[a-z-])([^|;&#]*)/g)].map(([, words = '']) =>
      split(words),
    ),
  );
}

/** Words of a command line, without quotes and without the brackets of what may be left out. */
function split(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? (bare ?? '').replace(/^\[|\]$/g, ''),
  );
}

/** What is wrong with a command line, in words; undefined when the program takes it. */
function fault(words: readonly string[]): string | undefined {
  const command = [words.slice(0, 2).join(' '), words[0] ?? ''].find((name) => helps.has(name)) ?? '';
  const { options, takesPaths, takesWords } = helps.get(command) as Help;
  const rest = words.slice(command === '' ? 0 : command.split(' ').length);
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] as string;
    if (!word.startsWith('-')) {
      if (!takesWords && !(takesPaths && word.startsWith('/')))
        return `"${word}" means nothing to "${command}"`;
      continue;
    }
    const takes = options.get(word);
    if (takes === undefined) return `"${command}" has no ${word}`;
    if (takes === 'none') continue;
    if (takes === 'perhaps') {
      if (/^[^-/]/.test(rest[i + 1] ?? '')) i++;
      continue;
    }
    const isValue = (text: string | undefined) => text !== undefined && !text.startsWith('-');
    if (!isValue(rest[i + 1])) return `${word} of "${command}" needs a value`;
    for (i++; takes === 'several' && isValue(rest[i + 1]) && !rest[i + 1]?.startsWith('/'); ) i++;
  }
  return undefined;
}

test.each([
  [['backup', '--verbos'], '"backup" has no --verbos'],
  [['restore', '--to'], '--to of "restore" needs a value'],
  [['bakup'], '"bakup" means nothing to ""'],
  [['points', '/srv'], '"/srv" means nothing to "points"'],
  [['find', '*.html', 'index'], undefined],
  [['diff', '3d', 'latest', '/srv'], undefined],
  [['restore', '--overwrite', 'never', '--overwrite', '/srv', '--in-place', '--overwrite'], undefined],
  [['config', 'check', '--card', 'x'], '"config check" has no --card'],
  [['restore', '--to', 'x', '--signer', 'A', '--signer', 'B', '/srv'], undefined],
])('%j is judged as the program judges it', (words, expected) => {
  expect(fault(words)).toBe(expected);
});

describe.each(DOCUMENTS)('%s', (document) => {
  test('every holdfast command line is one that the program takes', () => {
    const lines = commandLines(document);
    // Fewer would mean that they are no longer found.
    expect(lines.length).toBeGreaterThanOrEqual(8);
    const wrong = lines.flatMap((words) => {
      const found = fault(words);
      return found === undefined ? [] : [`holdfast ${words.join(' ')}: ${found}`];
    });
    expect(wrong).toEqual([]);
  });

  test('every option that is spoken of exists', async () => {
    const demo = readFileSync(project('test/demo/demo.ts'), 'utf8');
    const scripts = ['recover.py', 'swift-rewind.py'].map((name) =>
      readFileSync(project(`docs/${name}`), 'utf8'),
    );
    const known = [...helps.values()].flatMap(({ options }) => [...options.keys()]);
    const unknown = codeOf(document)
      .flatMap((code) => /^(--?[a-z][\w-]*)/.exec(code)?.[1] ?? [])
      .filter(
        (option) =>
          !known.includes(option) &&
          !demo.includes(option) &&
          !scripts.some((script) => script.includes(`"${option}"`)),
      );
    expect(unknown).toEqual([]);
  });

  test('the table of exit codes has those of the program, and no others', () => {
    const text = readFileSync(project(document), 'utf8');
    const table = /^\| code \| meaning .*\n\|[ -|]*\n((?:\|.*\n)+)/m.exec(text)?.[1] ?? '';
    const codes = table.split('\n').flatMap((row) => /^\| ([^|]+) \|/.exec(row)?.[1] ?? []);
    expect(codes).toEqual([...Object.values(EXIT).map(String), '128 + n']);
  });

  test('every link leads to something that is there', () => {
    const text = readFileSync(project(document), 'utf8');
    const anchors = new Map<string, string[]>();
    const broken = [...text.matchAll(/\]\(([^)]+)\)/g)].flatMap(([, link = '']) => {
      const [file = '', anchor] = link.split('#');
      const path = join(dirname(project(document)), file);
      if (/^https?:/.test(link)) return [];
      if (file !== '' && !existsSync(path)) return [link];
      const target = file === '' ? project(document) : path;
      if (anchor === undefined) return [];
      if (!anchors.has(target)) anchors.set(target, headings(readFileSync(target, 'utf8')));
      return anchors.get(target)?.includes(anchor) ? [] : [link];
    });
    expect(broken).toEqual([]);
  });
});

/** Anchors of the headings of a page, as GitHub makes them. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('the two command lines of README are there as they are to be typed', () => {
  const lines = codeOf('README.md');
  expect(lines).toContain('npm ci && npm run demo');
  expect(lines).toContain('npm ci && npm test');
});

test('npm knows what these command lines run', () => {
  const { scripts } = JSON.parse(readFileSync(project('package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const name of ['lint', 'typecheck', 'build']) expect(scripts.test).toContain(`npm run ${name}`);
  const demo = /(\S+\.ts)/.exec(scripts.demo ?? '')?.[1];
  expect(demo && existsSync(project(demo))).toBe(true);
});

test('the strategies that are shown are accepted', async () => {
  const { checkForRestore, checkStrategy } = await import('../src/strategy/load.ts');
  const file = '/etc/holdfast/strategy.yaml';
  const whole = yamlOf('README.md').map((yaml) => checkStrategy(yaml, file).problems);
  const short = yamlOf('docs/operations.md').map((yaml) => checkForRestore(yaml, file).problems);
  expect([whole, short]).toEqual([[[]], [[]]]);
});

function yamlOf(document: string): string[] {
  const text = readFileSync(project(document), 'utf8');
  return [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = '']) => yaml);
}
