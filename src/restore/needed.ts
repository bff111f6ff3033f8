/** The volumes that a restore needs: numbered as they are met, each known to belong to the point. */
import type { Point } from '../chain/points.ts';
import { volumeCount } from '../chain/sets.ts';
import type { CommitObject } from '../format/commit.ts';
import { StrategyNames } from '../format/names.ts';

/** One volume to fetch. */
export interface NeededVolume {
  seq: number;
  /** Number in its set, from 1. */
  volume: number;
  object: CommitObject;
  /** Full name in the store. */
  name: string;
}

/** Numbers the volumes that extents name. */
export class NeededVolumes {
  readonly #point: Point;
  readonly #names: StrategyNames;
  readonly #list: NeededVolume[] = [];
  readonly #indexes = new Map<number, Map<number, number>>();

  constructor(point: Point) {
    this.#point = point;
    this.#names = new StrategyNames(point.commit.commit.strategy);
  }

  get length(): number {
    return this.#list.length;
  }

  get(index: number): NeededVolume {
    const volume = this.#list[index];
    if (volume === undefined) throw new RangeError(`no volume ${index}`);
    return volume;
  }

  /** The index of a volume, now and whenever it is asked for again; undefined for one that is none of the point's. */
  index(seq: number, volume: number): number | undefined {
    const ofSet = this.#indexes.get(seq);
    const known = ofSet?.get(volume);
    if (known !== undefined) return known;
    const found = this.#find(seq, volume);
    if (found === undefined) return undefined;
    const index = this.#list.push(found) - 1;
    if (ofSet === undefined) this.#indexes.set(seq, new Map([[volume, index]]));
    else ofSet.set(volume, index);
    return index;
  }

  /** Indexes in the order in which volumes are fetched: by set, then by number. */
  inOrder(): number[] {
    const order = this.#list.map((_, i) => i);
    return order.sort((a, b) => {
      const [x, y] = [this.get(a), this.get(b)];
      return x.seq - y.seq || x.volume - y.volume;
    });
  }

  #find(seq: number, volume: number): NeededVolume | undefined {
    const own = this.#point.commit;
    const set = seq === own.commit.seq ? own : this.#point.find(seq);
    if (set === undefined || volume > volumeCount(set.commit.objects)) return undefined;
    if (set !== own && !this.#isDependedOn(seq, volume)) return undefined;
    const object = set.commit.objects[volume - 1] as CommitObject;
    return { seq, volume, object, name: this.#names.object(set.commit, object.name) };
  }

  #isDependedOn(seq: number, volume: number): boolean {
    const dependency = this.#point.commit.commit.depends.find((d) => d.seq === seq);
    return dependency?.volumes.some(([first, last]) => first <= volume && volume <= last) ?? false;
  }
}
