/** WHEN, the way to name a point on the command line: its text → what it means → one point. Pure. */

import { HoldfastError } from '../errors.ts';
import { parseDuration } from '../strategy/duration.ts';

/** What a WHEN asks for. */
export type When =
  | { kind: 'latest' }
  | { kind: 'seq'; seq: number }
  /** Lower-case hex digits with which the id of the set begins. */
  | { kind: 'id'; prefix: string }
  /** The newest point whose time is not after `notAfter`. */
  | { kind: 'time'; notAfter: Date };

/** What choosing needs to know of a point. */
export interface Choosable {
  seq: number;
  /** Set id: 32 lower-case hex digits. */
  id: string;
  time: Date;
}

const FORMS =
  'write latest, a number (12), the first 8 or more digits of an id (3fa9c1d2, or id:3fa9c1d2), ' +
  'a time (2026-11-22, 2026-11-22T03:30, 2026-11-22T03:30:00+01:00) or an age (90m, 12h, 3d, 2w)';

/**
 * What a WHEN means at `now`: `latest`; one to nine digits, a seq; 8 to 32 hex digits or `id:` with any
 * number of them, an id; a date or a date with a time, in ISO 8601 (a space may stand for the T, and before
 * the zone), local without a zone; or an age. A time means the whole of the day, minute or second that it
 * names, so that `2026-11-22` has all points of that day before it, and a time copied from a list of points
 * has its point. Throws HoldfastError `usage` with all forms for anything else.
 */
export function parseWhen(text: string, now: Date): When {
  const written = text.trim();
  if (written === 'latest') return { kind: 'latest' };
  if (/^\d{1,9}$/.test(written)) {
    const seq = Number(written);
    if (seq === 0) throw malformed(text, 'points are counted from 1');
    return { kind: 'seq', seq };
  }
  const id = /^(?:id:([0-9a-f]{1,32})|([0-9a-f]{8,32}))$/i.exec(written);
  if (id) return { kind: 'id', prefix: (id[1] ?? id[2] ?? '').toLowerCase() };
  if (/^\d{4}-/.test(written)) return { kind: 'time', notAfter: endOf(written, text) };
  const age = parseDuration(written);
  if (age !== undefined) return { kind: 'time', notAfter: new Date(now.getTime() - age) };
  throw malformed(text, 'is no way to name a point');
}

function malformed(text: string, reason: string): HoldfastError {
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  return new HoldfastError('usage', `${shown}: ${reason}; ${FORMS}`);
}

const ISO =
  /^(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)(?:[T ](?<hour>\d\d):(?<minute>\d\d)(?::(?<second>\d\d)(?:[.,](?<fraction>\d{1,9}))?)?(?: ?(?<zone>Z|[+-]\d\d(?::?\d\d)?))?)?$/i;

/** The last millisecond of the day, minute, second or fraction that an ISO time names. */
function endOf(written: string, text: string): Date {
  const parts = ISO.exec(written)?.groups;
  if (!parts) throw malformed(text, 'is no date or time');
  const year = Number(parts.year);
  const month = Number(parts.month) - 1;
  const day = Number(parts.day);
  const calendar = new Date(Date.UTC(year, month, day));
  if (year < 1970 || calendar.getUTCMonth() !== month || calendar.getUTCDate() !== day) {
    throw malformed(text, 'there is no such day');
  }
  // Not 24 hours after its beginning: days on which clocks change are shorter or longer.
  if (parts.hour === undefined) return new Date(new Date(year, month, day + 1).getTime() - 1);

  const hour = Number(parts.hour);
  const minute = Number(parts.minute);
  if (hour > 23 || minute > 59 || Number(parts.second ?? 0) > 59)
    throw malformed(text, 'there is no such time of day');
  const second = parts.second === undefined ? 59 : Number(parts.second);
  const millisecond = parts.fraction === undefined ? 999 : Number(parts.fraction.padEnd(3, '0').slice(0, 3));
  if (parts.zone === undefined) return new Date(year, month, day, hour, minute, second, millisecond);
  return new Date(Date.UTC(year, month, day, hour, minute, second, millisecond) - offset(parts.zone, text));
}

/** Milliseconds by which a zone is ahead of UTC. */
function offset(zone: string, text: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || 0);
  if (hours > 23 || minutes > 59) throw malformed(text, 'there is no such zone');
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/**
 * The point that a WHEN names, among `points` in any order. Order is by seq, never by times: clocks may
 * have run backwards. Two points of one seq were written by two hosts; neither is chosen for the user.
 * `show` words a time for messages. Throws HoldfastError `no-point`, naming what there is instead, or
 * `usage` when an id prefix fits several points.
 */
export function pickPoint<P extends Choosable>(
  points: readonly P[],
  when: When,
  show: (time: Date) => string = utc,
): P {
  const ordered = [...points].sort((a, b) => a.seq - b.seq);
  const newest = ordered.at(-1);
  const oldest = ordered[0];
  if (!oldest || !newest)
    throw new HoldfastError('no-point', 'there are no points yet: run "holdfast backup" to make the first');
  const name = (point: P) => `${point.seq} (${shortId(point, points)}, ${show(point.time)})`;

  switch (when.kind) {
    case 'latest':
      return only(ordered, newest.seq, points);
    case 'seq': {
      if (ordered.some((point) => point.seq === when.seq)) return only(ordered, when.seq, points);
      const before = ordered.findLast((point) => point.seq < when.seq);
      const after = ordered.find((point) => point.seq > when.seq);
      const near = [before, after].filter((point) => point !== undefined).map(name);
      throw new HoldfastError('no-point', `there is no point ${when.seq}; nearest: ${near.join(' and ')}`);
    }
    case 'id': {
      const fitting = ordered.filter((point) => point.id.startsWith(when.prefix));
      const [first, second] = fitting;
      if (first && second) {
        const named = fitting.slice(0, 5).map(name).join(', ');
        const rest = fitting.length > 5 ? ` and ${fitting.length - 5} more` : '';
        throw new HoldfastError(
          'usage',
          `id:${when.prefix} fits several points: ${named}${rest}; write more digits`,
        );
      }
      if (first) return first;
      // Object names show a seq with leading zeros: whoever copies one means the number.
      const number = /^\d{10}$/.test(when.prefix) ? Number(when.prefix) : undefined;
      const hint = ordered.some((point) => point.seq === number)
        ? `; for point ${number} write ${number}`
        : '';
      throw new HoldfastError(
        'no-point',
        `no point has an id that begins with ${when.prefix}; the newest is ${name(newest)}${hint}`,
      );
    }
    case 'time': {
      const chosen = ordered.findLast((point) => point.time.getTime() <= when.notAfter.getTime());
      if (!chosen) {
        throw new HoldfastError(
          'no-point',
          `there is no point of ${show(when.notAfter)} or before; the oldest is ${name(oldest)}`,
        );
      }
      const candidates = ordered.filter((point) => point.time.getTime() <= when.notAfter.getTime());
      return only(candidates, chosen.seq, points);
    }
  }
}

/** The one point with this seq; refused when two hosts wrote one each. */
function only<P extends Choosable>(candidates: readonly P[], seq: number, all: readonly P[]): P {
  const same = candidates.filter((point) => point.seq === seq);
  const [first, second] = same;
  if (!first) throw new Error(`no point ${seq} among the candidates: please report this`);
  if (!second) return first;
  const named = same.map((point) => `--at ${shortId(point, all)}`).join(' or ');
  throw new HoldfastError(
    'no-point',
    `${same.length} hosts wrote a point ${seq} each: choose one of them with ${named}`,
  );
}

/** As much of the id as tells it from all others, at least 8 digits, in the form in which WHEN takes it. */
function shortId(point: Choosable, points: readonly Choosable[]): string {
  let length = 8;
  const others = points.filter((other) => other.id !== point.id);
  while (length < point.id.length && others.some((other) => other.id.startsWith(point.id.slice(0, length))))
    length += 1;
  return `id:${point.id.slice(0, length)}`;
}

function utc(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
