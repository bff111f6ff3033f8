/** The check of how a Swift store is signed in to, for `config check`; nothing is asked of the network. */
import { homedir } from 'node:os';
import { HoldfastError } from '../errors.ts';
import { type Problem, problemAt } from '../strategy/problem.ts';
import type { Strategy } from '../strategy/strategy.ts';
import type { CliContext } from './context.ts';

/** The problems of the credentials: they are not there, not whole, or cannot keep what the strategy asks for. */
export async function checkStore({ env, cwd }: CliContext, strategy: Strategy): Promise<Problem[]> {
  const { store } = strategy;
  if (store.kind !== 'swift') return [];
  const [{ findCredentials }, { refuseUnprovableRegion }] = await Promise.all([
    import('../store/swift/credentials/find.ts'),
    import('../store/swift/sign-in.ts'),
  ]);
  try {
    const credentials = await findCredentials(store, {
      env,
      cwd,
      home: homedir(),
      strategyFile: strategy.file,
    });
    refuseUnprovableRegion(credentials, { allowedRegions: store.allowedRegions });
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return [problemAt(strategy, 'store.swift', error.message)];
  }
}
