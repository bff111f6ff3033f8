/** Opens the store that a strategy or the command line names. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { directoryStore } from '../store/directory.ts';
import type { Store } from '../store/store.ts';
import { Throttle } from '../store/throttle.ts';
import { faultOfContainer, faultOfPrefix } from '../strategy/fields.ts';
import type { Limits, StoreChoice, SwiftStore } from '../strategy/strategy.ts';
import type { CliContext } from './context.ts';

/** What is known besides the choice of a store. */
export interface StoreSurroundings {
  context: Pick<CliContext, 'env' | 'cwd'>;
  /** The strategy, to be named where it has to be changed. */
  strategyFile?: string;
  limits?: Limits | undefined;
  retries: Retries;
}

/** Hears of attempts that are repeated; who shows them may change while a command runs. */
export interface Retries {
  heard: (line: string) => void;
}

/** Retries that are written as they come, before something better is at hand. */
export function plainRetries(context: Pick<CliContext, 'stderr'>): Retries {
  return { heard: (line) => context.stderr(`holdfast: ${line}\n`) };
}

/** The store that a strategy names. Nothing is asked of it yet. Errors: `strategy`, for credentials that are not there or not whole. */
export async function openStore(choice: StoreChoice, surroundings: StoreSurroundings): Promise<Store> {
  const upload = surroundings.limits?.upload;
  const throttle = upload === undefined ? undefined : new Throttle(upload);
  if (choice.kind === 'directory') return directoryStore(choice.directory, choice.prefix, throttle);
  return (await openSwiftParts(choice, surroundings, throttle)).store;
}

/** A Swift store with what lies behind it. Loaded only where it is used: pkgcloud takes a tenth of a second. */
export async function openSwiftParts(
  choice: SwiftStore,
  { context, strategyFile, retries }: StoreSurroundings,
  throttle?: Throttle,
): Promise<import('../store/swift/open.ts').OpenedSwift> {
  const { openSwift } = await import('../store/swift/open.ts');
  return openSwift(choice, {
    env: context.env,
    cwd: context.cwd,
    home: homedir(),
    ...(strategyFile !== undefined && { strategyFile }),
    throttle,
    onRetry: (line) => retries.heard(line),
  });
}

/**
 * What `--store` says: `directory:/path`, a relative path starting from `cwd`, or `swift:CONTAINER[/PREFIX]`, whose credentials are in
 * the environment. Errors: `usage`.
 */
export function parseStoreOption(text: string, cwd: string): StoreChoice {
  const match = /^(directory|swift):(.+)$/s.exec(text);
  const [, kind, rest = ''] = match ?? [];
  if (kind === 'directory') return { kind, directory: resolve(cwd, rest), prefix: '' };
  if (kind === 'swift') {
    const slash = rest.indexOf('/');
    const container = slash < 0 ? rest : rest.slice(0, slash);
    const prefix = slash < 0 ? '' : rest.slice(slash + 1).replace(/\/+$/, '');
    const fault =
      container === ''
        ? 'names no container'
        : (faultOfContainer(container) ?? (prefix === '' ? undefined : faultOfPrefix(prefix)));
    if (fault === undefined) return { kind, container, prefix, uploads: UPLOADS, deadline: DEADLINE_MS };
    throw new HoldfastError('usage', `--store ${JSON.stringify(text)}: ${fault}`);
  }
  throw new HoldfastError(
    'usage',
    `--store ${JSON.stringify(text)} is no store: write directory:/path/of/the/store or swift:CONTAINER/PREFIX`,
  );
}

/** As a strategy has them that does not say. */
const UPLOADS = 4;
const DEADLINE_MS = 3 * 60_000;
