/** Strategy file → checked, defaulted strategy, or all that is wrong with it. Key files are not looked at. */

import { dirname, resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { type Disagreement, disagreements, disagreementsOfStore } from './agreement.ts';
import { parseYaml, type WrittenDocument } from './document.ts';
import { problemsOf, wordsFor } from './issues.ts';
import { inOrder, type Problem, strategyError } from './problem.ts';
import { readStrategyText } from './read.ts';
import { strategySchema } from './schema.ts';
import { settle, settleSigner, settleStore } from './settle.ts';
import { nearestWord } from './spelling.ts';
import type { Strategy, StrategyForRestore } from './strategy.ts';

/** What a look at a strategy file gives: the strategy, or at least one problem. */
export type Checked<T> = { strategy: T; problems: [] } | { strategy: undefined; problems: Problem[] };

/** Checks the text of a strategy file; `file` (absolute) is only named and tells the folder. Reads nothing. */
export function checkStrategy(text: string, file: string): Checked<Strategy> {
  const document = parseYaml(text);
  if (document.broken) return { strategy: undefined, problems: inOrder(document.problems) };
  const result = strategySchema.safeParse(document.value, { error: wordsFor });
  const problems = together(document, result.error?.issues ?? [], disagreements(document.value));
  if (result.success && problems.length === 0) {
    return { strategy: settle(result.data, file, dirname(file), document.positions), problems: [] };
  }
  return { strategy: undefined, problems };
}

/** The keys that restoring needs; the others are not looked at. */
const restoreSchema = strategySchema.pick({ name: true, store: true, signer: true }).strip();
const RESTORE_KEYS = ['name', 'store', 'signer'];

/** As checkStrategy, for restoring: only `name`, `store` and `signer` matter, whatever else the text holds. */
export function checkForRestore(text: string, file: string): Checked<StrategyForRestore> {
  const document = parseYaml(text);
  if (document.broken) return { strategy: undefined, problems: inOrder(document.problems) };
  document.problems = document.problems.filter((problem) => problem.key === '' || matters(problem.key));
  const value = document.value;
  const result = restoreSchema.safeParse(value, { error: wordsFor });
  const isBlock = typeof value === 'object' && value !== null;
  const problems = [
    ...together(
      document,
      result.error?.issues ?? [],
      isBlock && 'store' in value ? disagreementsOfStore(value.store) : [],
    ),
    ...(isBlock ? misspeltPins(value, document) : []),
  ];
  if (result.success && problems.length === 0) {
    const { name, store, signer } = result.data;
    const folder = dirname(file);
    return {
      strategy: {
        file,
        name,
        store: settleStore(store, folder),
        signer: settleSigner(signer),
        positions: document.positions,
      },
      problems: [],
    };
  }
  return { strategy: undefined, problems: inOrder(problems) };
}

/**
 * Reads and checks a strategy file. Throws HoldfastError `strategy`, whose message tells all problems (see
 * strategyError). Relative paths in the file start from its folder.
 */
export async function loadStrategy(file: string): Promise<Strategy> {
  const text = await readStrategyText(file);
  const checked = checkStrategy(text, resolve(file));
  if (checked.strategy === undefined && strategyForRestoring(text, resolve(file)) !== undefined) {
    throw new HoldfastError(
      'strategy',
      `${file} is a strategy for restoring, without sources and recipients: this needs the whole one, which is on the machine that is backed up`,
      { path: file },
    );
  }
  return strategyOf(file, checked);
}

/** The strategy where it is right, and has only what a restore needs; undefined where it has more, be it misspelt. */
export function strategyForRestoring(text: string, file: string): StrategyForRestore | undefined {
  const { strategy } = checkForRestore(text, file);
  if (strategy === undefined) return undefined;
  const { value } = parseYaml(text);
  const isBlock = typeof value === 'object' && value !== null;
  return isBlock && Object.keys(value).every((key) => RESTORE_KEYS.includes(key)) ? strategy : undefined;
}

/** Reads a strategy file for restoring, listing and verifying; see checkForRestore. Throws as loadStrategy. */
export async function loadForRestore(file: string): Promise<StrategyForRestore> {
  return strategyOf(file, checkForRestore(await readStrategyText(file), resolve(file)));
}

function strategyOf<T>(file: string, checked: Checked<T>): T {
  if (checked.strategy === undefined) throw strategyError(file, checked.problems);
  return checked.strategy;
}

/** All problems in the order of the file; what YAML already found wrong with a value is not told twice. */
function together(
  document: WrittenDocument,
  issues: Parameters<typeof problemsOf>[0],
  disagreeing: readonly Disagreement[],
): Problem[] {
  const told = new Set(document.problems.map((problem) => problem.key));
  const more = problemsOf(issues, disagreeing, document).filter((problem) => !told.has(problem.key));
  return inOrder([...document.problems, ...more]);
}

function matters(key: string): boolean {
  return RESTORE_KEYS.some(
    (part) => key === part || key.startsWith(`${part}.`) || key.startsWith(`${part}[`),
  );
}

/** A misspelt `signer` must not make a restore trust anyone: it is a problem even where other keys are not looked at. */
function misspeltPins(value: object, document: WrittenDocument): Problem[] {
  const known = Object.keys(strategySchema.shape);
  return Object.keys(value)
    .filter((key) => !known.includes(key) && nearestWord(key, known) === 'signer')
    .map((key) => ({
      ...(document.names.get(key) ?? { line: 1, column: 1 }),
      key,
      message: 'unknown key; did you mean "signer"?',
    }));
}
