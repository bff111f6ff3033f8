/** A machine whose backups go to a container of a real Swift, by a way that a test may break. Shares no code with the program but its Swift store. */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { differences, record, type Snapshot } from '../demo/snapshot.ts';
import { type FaultyPath, startFaultyPath } from '../servers/faulty-path.ts';
import type { SwiftAddress } from '../servers/swift.ts';
import { listed } from '../store/contract.ts';
import { openTestSwift, tempAuthEnv } from '../store/swift/opening.ts';
import { Machine, noise } from './program.ts';

const PREFIX = 'web01';
const FILES = 10;
const FILE_BYTES = 200_000;

/** What `init` and all after it are run with. */
export interface SwiftMachine {
  machine: Machine;
  container: string;
  /** What is really in the store. */
  truth: Store;
  /** Writes the strategy anew, with other keys of `store.swift`. */
  choose(swift: Record<string, unknown>): void;
  /** What the source was at each point, by its number: to be kept up by the test. */
  states: Map<number, Snapshot>;
  /** Makes a point that must go well, of this kind, and keeps its state. */
  point(type: 'full' | 'incremental'): Promise<void>;
  /** Seqs of the commits in the store. */
  commits(): Promise<number[]>;
  /** Makes sure that all points are there that shall be and nothing besides, that each verifies whole, and that the newest brings back its state. */
  expectWhole(): Promise<void>;
}

/** With `env`, the credentials, in a file; `init` has been run, and the source has some content. */
export async function swiftMachine(
  env: NodeJS.ProcessEnv,
  direct: NodeJS.ProcessEnv = env,
): Promise<SwiftMachine> {
  const machine = await Machine.prepare();
  const container = `backups-${randomUUID()}`;
  const credentialsFile = join(machine.folder, 'credentials');
  const lines = Object.entries(env).map(([name, value]) => `export ${name}=${value}\n`);
  writeFileSync(credentialsFile, lines.join(''), { mode: 0o600 });
  const choose = (swift: Record<string, unknown>) =>
    machine.writeStrategy({
      store: { swift: { container, prefix: PREFIX, credentialsFile, ...swift } },
      // So small that a set has many objects, and a moment falls between any two of them.
      more: { volume: { size: '128KiB' } },
    });
  choose({});
  const { store: truth } = await openTestSwift(direct, { container, prefix: PREFIX });
  onTestFinished(() => truth.close());
  await machine.well('init');
  change(machine, 0);
  const states = new Map<number, Snapshot>();
  const commits = async () =>
    (await listed(truth, 'town/commits/'))
      .filter(({ name }) => name.endsWith('.json'))
      .map(({ name }) => Number(name.split('/').at(-1)?.slice(0, 10)));
  return {
    machine,
    container,
    truth,
    choose: (swift) => void choose(swift),
    states,
    async point(type) {
      const { point, reason } = await machine.backup();
      expect(`${point.type}: ${reason}`).toMatch(new RegExp(`^${type}`));
      states.set(point.seq, machine.recordSource());
    },
    commits,
    async expectWhole() {
      expect(await commits()).toEqual([...states.keys()]);
      await machine.well('verify', '--full', '--secret-key', machine.secretKey);
      const [newest, state] = [...states].at(-1) ?? expect.fail('there is no point');
      const to = await machine.restore(newest);
      expect(differences(state, record(join(to, machine.source))), `point ${newest}`).toEqual([]);
      // What runs that failed had stored is gone again.
      const sets = new Set(
        (await listed(truth, 'town/sets/')).map(({ name }) => Number(name.split('/')[2]?.slice(0, 10))),
      );
      expect([...sets]).toEqual([...states.keys()]);
    },
  };
}

/** The same by a path, whose faults reach the program alone. */
export async function swiftMachineBehindPath(
  swift: SwiftAddress,
): Promise<SwiftMachine & { path: FaultyPath }> {
  const path = await startFaultyPath(swift.proxyPort);
  onTestFinished(() => path.stop());
  const behind = tempAuthEnv({ ...swift, authUrl: `${path.url}/auth/v1.0` });
  return { ...(await swiftMachine(behind, tempAuthEnv(swift))), path };
}

/** New content for some files, a new one, and one less. */
export function change(machine: Machine, round: number): void {
  for (let i = 0; i < FILES; i++) {
    if (round === 0 || i % 2 === 0) machine.write(`file-${i}`, noise(FILE_BYTES, 1000 * round + i));
  }
  machine.write(`new ü-${round}`, `of round ${round}`);
}

/** A machine behind a path with one point, and changes for the next. */
export async function withOnePoint(swift: SwiftAddress): ReturnType<typeof swiftMachineBehindPath> {
  const at = await swiftMachineBehindPath(swift);
  await at.point('full');
  change(at.machine, 1);
  return at;
}
