/** Which of the entries of a point a restore brings, and under which paths: patterns, and leading folders that are taken off. Pure. */
import { HoldfastError } from '../errors.ts';
import { show } from '../format/bytes.ts';
import { isWithin } from '../format/order.ts';
import type { ByteString, Entry } from '../model.ts';
import { Patterns } from '../select/patterns.ts';
import type { PlanItem } from './plan.ts';

/** What was asked for. */
export interface Arrangement {
  /** Patterns as in a strategy: the last that matches a path, or a folder above it, decides. */
  exclude: readonly string[];
  include: readonly string[];
  /** How many leading components are taken off each path. */
  strip: number;
}

/** Nothing asked for. */
export const AS_IT_IS: Arrangement = { exclude: [], include: [], strip: 0 };

/** The entries that are brought, with the paths that they get. Errors: `usage`, naming the paths that would get in each other's way. */
export async function* arrange(
  batches: AsyncIterable<readonly PlanItem[]>,
  { exclude, include, strip }: Arrangement,
): AsyncGenerator<readonly PlanItem[], void> {
  const filter =
    exclude.length + include.length === 0 ? undefined : new Filter(new Patterns(exclude, include));
  const stripper = strip === 0 ? undefined : new Stripper(strip);
  for await (const batch of batches) {
    let items = batch;
    if (filter !== undefined) items = filter.take(items);
    if (stripper !== undefined) items = stripper.take(items);
    if (items.length > 0) yield items;
  }
}

/** Leaves out what patterns leave out. A folder that is left out comes when something in it does. */
class Filter {
  readonly #patterns: Patterns;
  /** Whether the entry before is wanted: further extents belong to it. */
  #wanted = true;
  /** Folders that are left out, each in the one before, and have not come: with all items of each. */
  #held: { path: ByteString; items: PlanItem[] }[] = [];
  /** Whether the entry before is the last of these. */
  #holding = false;
  #source = '';

  constructor(patterns: Patterns) {
    this.#patterns = patterns;
  }

  take(items: readonly PlanItem[]): PlanItem[] {
    const out: PlanItem[] = [];
    for (const item of items) {
      if (item.kind === 'more') {
        if (this.#wanted) out.push(item);
        else if (this.#holding) this.#held.at(-1)?.items.push(item);
        continue;
      }
      const { entry } = item;
      const isFolder = entry.type === 'dir';
      const rule = this.#patterns.decide(entry.path, isFolder);
      this.#wanted = !this.#patterns.leavesOut(rule);
      if (entry.source !== this.#source) this.#held = [];
      this.#source = entry.source;
      this.#holding = false;
      if (this.#held.length > 0) this.#held = this.#held.filter(({ path }) => isWithin(entry.path, path));
      if (this.#wanted) {
        out.push(...this.#held.flatMap(({ items }) => items), item);
        this.#held = [];
      } else if (isFolder && this.#patterns.mayTakeBack(entry.path, rule, false)) {
        this.#held.push({ path: entry.path, items: [item] });
        this.#holding = true;
      }
    }
    return out;
  }
}

/** Takes leading components off paths. Folders that have no others do not come. */
class Stripper {
  readonly #count: number;
  #wanted = true;
  /** What was taken off, by the first component that is left. */
  readonly #taken = new Map<ByteString, ByteString>();

  constructor(count: number) {
    this.#count = count;
  }

  take(items: readonly PlanItem[]): PlanItem[] {
    const out: PlanItem[] = [];
    for (const item of items) {
      if (item.kind === 'entry') {
        const path = this.#strip(item.entry);
        this.#wanted = path !== undefined;
        if (path !== undefined) out.push({ ...item, entry: { ...item.entry, path } });
      } else if (this.#wanted) {
        out.push(item);
      }
    }
    return out;
  }

  #strip({ path, type }: Entry): ByteString | undefined {
    const components = path.slice(1).split('/');
    if (path === '/' || components.length <= this.#count) {
      if (type === 'dir') return undefined;
      throw new HoldfastError(
        'usage',
        `--strip ${this.#count} takes the whole path of ${show(path)} away: strip fewer components, or leave it out with --exclude`,
        { path: show(path) },
      );
    }
    const taken = `/${components.slice(0, this.#count).join('/')}`;
    const first = components[this.#count] as ByteString;
    const before = this.#taken.get(first);
    if (before === undefined) {
      this.#taken.set(first, taken);
    } else if (before !== taken) {
      throw new HoldfastError(
        'usage',
        `with --strip ${this.#count}, ${show(`${before}/${first}`)} and ${show(`${taken}/${first}`)} would both become ${show(first)}: restore one after the other into different folders, or strip fewer components`,
        { path: show(`${taken}/${first}`) },
      );
    }
    return `/${components.slice(this.#count).join('/')}`;
  }
}

/** How an arrangement is named, so that two restores can be told apart; empty for AS_IT_IS. */
export function describeArrangement({ exclude, include, strip }: Arrangement): string {
  return [
    ...exclude.map((pattern) => `--exclude=${pattern}`),
    ...include.map((pattern) => `--include=${pattern}`),
    ...(strip === 0 ? [] : [`--strip=${strip}`]),
  ].join(' ');
}
