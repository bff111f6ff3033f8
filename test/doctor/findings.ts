/** Findings as tests look at them. */
import { expect } from 'vitest';
import type { Finding, FindingState } from '../../src/finding.ts';
import type { Examination } from '../../src/store/examination.ts';

/** All of them, in order. */
export async function collect(findings: AsyncIterable<Finding>): Promise<Finding[]> {
  const all: Finding[] = [];
  for await (const finding of findings) all.push(finding);
  return all;
}

/** Makes sure that there is one finding about `subject` in this state that says so much, in `what` or advice. */
export function expectFinding(
  all: readonly Finding[],
  subject: string,
  state: FindingState,
  says: RegExp = /./,
): void {
  const about = all.filter((finding) => finding.subject === subject);
  const fits = about.filter(
    ({ state: found, what, advice = '' }) => found === state && says.test(`${what} | ${advice}`),
  );
  expect(fits, `${subject}: ${JSON.stringify(all, null, 2)}`).toHaveLength(1);
}

/** Subjects of the findings in a state, each once. */
export function subjects(all: readonly Finding[], state: FindingState): string[] {
  return [...new Set(all.filter((finding) => finding.state === state).map(({ subject }) => subject))];
}

/** An examination of the strategy `town` by a host. */
export function examination(more: Partial<Examination> = {}): Examination {
  let n = 0;
  return {
    strategy: 'town',
    task: 'backup',
    readOnly: false,
    volumeSize: 32 << 20,
    expected: undefined,
    sources: [],
    patience: 15_000,
    now: () => new Date(),
    random: () => `probe-${++n}`,
    ...more,
  };
}
