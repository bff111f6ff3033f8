/** The versions of one path over all points, from what each set says of it. Pure. */
import type { Point } from '../chain/points.ts';
import type { Version } from '../manifest/versions.ts';
import type { Line, Spot } from './lines.ts';

/** One version, and the points that hold it: all from the first to the last. */
export interface Row {
  version: Version;
  first: Point;
  last: Point;
  /** How many these are. */
  points: number;
}

/** What the sets say of one path: from a point on there is this version, or none. */
export class History {
  /** By line, then by index: the version from there on, undefined for a deletion. */
  readonly #events = new Map<number, Map<number, Version | undefined>>();

  /** Notes that from this point on its line has this version, or none. */
  note({ line, index }: Spot, version: Version | undefined): void {
    const events = this.#events.get(line) ?? new Map<number, Version | undefined>();
    events.set(index, version);
    this.#events.set(line, events);
  }

  /** The versions in the order of their first points. */
  rows(lines: readonly Line[]): Row[] {
    const rows: Row[] = [];
    for (const [number, { points, before }] of lines.entries()) {
      const events = this.#events.get(number);
      if (events === undefined && before === undefined) continue;
      let version = before === undefined ? undefined : this.#at(lines, before);
      const starts = [...new Set([0, ...(events?.keys() ?? [])])].sort((a, b) => a - b);
      for (const [i, start] of starts.entries()) {
        const end = starts[i + 1] ?? points.length;
        if (events?.has(start)) version = events.get(start);
        if (version === undefined) continue;
        const first = points[start] as Point;
        const row = { version, first, last: points[end - 1] as Point, points: end - start };
        const previous = rows.at(-1);
        if (
          previous !== undefined &&
          isNext(lines, number, start, previous) &&
          isSame(previous.version, version)
        ) {
          previous.last = row.last;
          previous.points += row.points;
        } else {
          rows.push(row);
        }
      }
    }
    return rows;
  }

  /** The version at a point. */
  #at(lines: readonly Line[], { line, index }: Spot): Version | undefined {
    const events = this.#events.get(line);
    const last = [...(events?.keys() ?? [])].filter((at) => at <= index).sort((a, b) => b - a)[0];
    if (last !== undefined) return events?.get(last);
    const before = lines[line]?.before;
    return before === undefined ? undefined : this.#at(lines, before);
  }
}

/** Whether a stretch that begins at a point of a line follows upon a row without a point between them. */
function isNext(lines: readonly Line[], line: number, start: number, { last }: Row): boolean {
  const before = start > 0 ? lines[line]?.points[start - 1] : lines[line - 1]?.points.at(-1);
  return before === last;
}

/** Whether two are one version: what a restore brings is the same. */
function isSame(a: Version, b: Version): boolean {
  return identity(a) === identity(b);
}

function identity(version: Version): string {
  const { type, mode, uid, gid, mtimeNs, size, sha256, target, rdev, attributes } = version;
  return JSON.stringify([type, mode, uid, gid, String(mtimeNs), size, sha256, target, rdev, attributes]);
}
