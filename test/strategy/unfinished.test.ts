import { describe, expect, test } from 'vitest';
import { HoldfastError } from '../../src/errors.ts';
import { checkForRestore, checkStrategy } from '../../src/strategy/load.ts';
import { notActedUpon, notWorkingYet, refuseUnfinished } from '../../src/strategy/unfinished.ts';
import { SMALLEST, WITH_COMMAND, WITH_PATHS } from './samples.ts';

function strategyOf(text: string) {
  return checkStrategy(text, '/h.yaml').strategy!;
}

describe('what is not done yet', () => {
  test('a strategy that asks for nothing of it has no notes and is not refused', () => {
    expect(notActedUpon(strategyOf(SMALLEST))).toEqual([]);
    expect(notWorkingYet(strategyOf(SMALLEST))).toEqual([]);
    expect(() => refuseUnfinished(strategyOf(SMALLEST))).not.toThrow();
  });

  test('what is accepted but not acted upon is named, each with what that means', () => {
    const notes = notActedUpon(strategyOf(WITH_PATHS));
    expect(notes.map((note) => note.split(': ').slice(0, 2))).toEqual(
      ['schedule.incremental', 'schedule.at', 'retention', 'objectives'].map((key) => [
        key,
        'accepted, not acted upon yet',
      ]),
    );
    expect(notes).toContain('retention: accepted, not acted upon yet: nothing is deleted');
  });

  test('what would be dangerous to pass over is refused with its place', () => {
    const error = (() => {
      try {
        refuseUnfinished(strategyOf(WITH_COMMAND));
      } catch (thrown) {
        return thrown as HoldfastError;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error?.code).toBe('strategy');
    expect(error?.message.split('\n')).toEqual([
      expect.stringContaining('/h.yaml:4:14: sources[0].command: '),
    ]);
    expect(notWorkingYet(strategyOf(WITH_PATHS)).map(({ key, line }) => [key, line])).toEqual([
      ['limits.size', 35],
    ]);
  });

  test('a restore is refused nothing: it needs only the store', () => {
    for (const text of [WITH_COMMAND, WITH_PATHS]) {
      expect(notWorkingYet(checkForRestore(text, '/h.yaml').strategy!)).toEqual([]);
    }
  });
});
