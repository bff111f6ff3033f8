/** What `holdfast restore` says: as text for people, or as JSON lines. */
import type { Point } from '../chain/points.ts';
import { fromText, show } from '../format/bytes.ts';
import type { ByteString, Entry } from '../model.ts';
import type { Action, Rehearsal } from '../rehearse.ts';
import type { Trouble } from '../restore/trouble.ts';
import type { Forecast, RestoreResult } from '../restore.ts';
import { formatBytes } from '../strategy/size.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { pathKeys } from './path-json.ts';
import { describePoint } from './reading.ts';

/** Troubles that a summary lists; of more, only the number is given. */
const LISTED = 10_000;
/** Entries with one and the same problem that are named on a terminal or in a log. */
const NAMED = 20;

/** Turns what happens into text or JSON. */
export class RestoreReport {
  readonly #context: CliContext;
  readonly #json: boolean;
  readonly #point: Point;
  readonly #target: string | undefined;
  readonly #prefix: ByteString;

  /** `target`: undefined for a rehearsal without one. `prefix`: what was taken off the paths, and is shown before them. */
  constructor(
    context: CliContext,
    json: boolean,
    point: Point,
    target: string | undefined,
    prefix: ByteString = '',
  ) {
    this.#context = context;
    this.#json = json;
    this.#point = point;
    this.#target = target;
    this.#prefix = prefix;
  }

  /** What would be done about one entry. */
  wouldCome({ path, type, size }: Entry, action: Action): void {
    if (this.#json) {
      const of = type === 'file' ? { size } : {};
      this.#line({ event: 'entry', ...pathKeys(this.#prefix + path), type, ...of, action });
    } else {
      const verb = this.#target === undefined ? '' : `${action.padEnd(8)}`;
      this.#context.stdout(`${verb}${show(this.#prefix + path)}\n`);
    }
  }

  /** What would be done in all; sets the exit code. */
  rehearsal({ entries, bytes, kept, volumes, forecast, damaged, incomplete, doubtful }: Rehearsal): void {
    const into = this.#target === undefined ? '' : ` into ${this.#targetName()}`;
    this.#say(
      `Would restore ${describePoint(this.#point)}${into}: ${count(entries, 'entry', 'entries')}, ${formatBytes(bytes)}${keptText(kept, ', and would leave %s as they are')}.`,
    );
    const download = volumes.reduce((sum, { size }) => sum + size, 0);
    this.#say(`Would fetch ${count(volumes.length, 'volume', 'volumes')}, ${formatBytes(download)}.`);
    if (!this.#json) {
      for (const { name, size } of volumes.slice(0, NAMED)) this.#say(`  ${name} (${formatBytes(size)})`);
      if (volumes.length > NAMED) this.#say(`  and ${volumes.length - NAMED} more (--json names them all)`);
    }
    this.#list('note', doubtful);
    this.#list('incomplete', incomplete);
    this.#list('damaged', damaged);
    if (damaged.length > 0) this.#context.exitCode = EXIT.damage;
    else if (incomplete.length + doubtful.length > 0) this.#context.exitCode = EXIT.incomplete;
    this.#unread();
    if (!this.#json) return;
    for (const { name, size } of volumes) this.#line({ event: 'volume', object: name, size });
    this.#line({
      event: 'rehearsal',
      point: this.#pointJson(),
      target: this.#target ?? null,
      entries,
      bytes,
      kept,
      volumes: volumes.length,
      download,
      ...(forecast === undefined ? {} : { free: forecast.free }),
      doubtful: doubtful.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
      incomplete: incomplete.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
      damaged: damaged.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
      ...this.#unreadJson(),
    });
  }

  /** The target as it may be shown. */
  #targetName(): string {
    return show(fromText(this.#target ?? ''));
  }

  #troubleJson({ path, problem }: Trouble): object {
    return { ...pathKeys(this.#prefix + path), problem };
  }

  /** What will be done, before it is. */
  forecast({ entries, bytes, volumes, download, free, resumed }: Forecast): void {
    const now = this.#context.now();
    const kind = `${this.#point.type}, ${formatAge(now.getTime() - this.#point.time.getTime())}`;
    const verb = resumed ? 'Going on with the interrupted restore of' : 'Restoring';
    this.#say(
      `${verb} ${describePoint(this.#point)} (${kind}) into ${this.#targetName()}: ${count(entries, 'entry', 'entries')}, ${formatBytes(bytes)}${resumed ? ' still to come' : ''}.`,
    );
    this.#say(
      `${count(volumes, 'volume', 'volumes')}, ${formatBytes(download)}, to fetch; ${formatBytes(free)} are free there.`,
    );
    if (this.#json) {
      const point = this.#pointJson();
      this.#line({
        event: 'start',
        point,
        target: this.#target,
        entries,
        bytes,
        volumes,
        download,
        free,
        resumed,
      });
    }
  }

  /** What came of it; sets the exit code. */
  result(result: RestoreResult, seconds: number): void {
    const { restored, bytes, kept, damaged, incomplete, doubtful, lost } = result;
    this.#list('note', doubtful);
    this.#list('incomplete', incomplete);
    this.#list('damaged', damaged);
    for (const { message, object } of lost) {
      if (this.#json) this.#line({ event: 'lost', object, message });
      this.#say(`holdfast: ${message}`);
    }
    if (damaged.length > 0 || lost.length > 0) this.#context.exitCode = EXIT.damage;
    else if (incomplete.length + doubtful.length > 0) this.#context.exitCode = EXIT.incomplete;
    this.#unread();
    if (this.#json) {
      this.#line({
        event: 'summary',
        point: this.#pointJson(),
        target: this.#target,
        restored,
        kept,
        bytes,
        seconds: Math.round(seconds * 1000) / 1000,
        doubtful: doubtful.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
        ...notListed('doubtfulNotListed', doubtful),
        incomplete: incomplete.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
        ...notListed('incompleteNotListed', incomplete),
        damaged: damaged.slice(0, LISTED).map((trouble) => this.#troubleJson(trouble)),
        ...notListed('damagedNotListed', damaged),
        ...this.#unreadJson(),
      });
    }
    this.#say(
      `Restored ${count(restored, 'entry', 'entries')}, ${formatBytes(bytes)}, in ${seconds.toFixed(1)} s${keptText(kept, '; %s stayed as they were')}.`,
    );
    if (damaged.length > 0 || lost.length > 0) {
      this.#say(
        `${count(damaged.length, 'entry was', 'entries were')} damaged in the store and left out; ${namedAbove(damaged)}.`,
      );
    }
    if (doubtful.length > 0) {
      this.#say(
        `${count(doubtful.length, 'entry is', 'entries are')} back as the backup could read it, which is not as it was then; ${namedAbove(doubtful)}.`,
      );
    }
    if (incomplete.length > 0) {
      this.#say(
        `${count(incomplete.length, 'entry is', 'entries are')} missing or not as in the point; ${namedAbove(incomplete)}.`,
      );
      if (incomplete.some(({ problem }) => /^owner\b.*could not be set$/.test(problem))) {
        this.#say('Only root can set owners; the contents are back. With --no-owner they are left alone.');
      }
    }
  }

  /** What the point itself lacks, which no entry of it can tell. The restore is as it should be: that backup has ended with 3. */
  #unread(): void {
    const { unreadable } = this.#point.commit.commit.incomplete;
    if (unreadable === 0) return;
    this.#say(
      `When point ${this.#point.seq} was made, ${count(unreadable, 'path', 'paths')} could not be read, ${unreadable === 1 ? 'which is' : 'which are'} not in it: see older points ("holdfast find"), and what that backup said.`,
    );
  }

  #unreadJson(): object {
    const { unreadable } = this.#point.commit.commit.incomplete;
    return unreadable === 0 ? {} : { unreadable };
  }

  /** Further advice, for people. */
  advise(text: string): void {
    this.#say(text);
  }

  /** Names troubles. Of those with one and the same problem, such as an owner that only root can set, text names the first. */
  #list(event: string, troubles: readonly Trouble[]): void {
    const counts = new Map<string, number>();
    for (const trouble of troubles) {
      if (this.#json) this.#line({ event, ...this.#troubleJson(trouble) });
      const count = (counts.get(trouble.problem) ?? 0) + 1;
      counts.set(trouble.problem, count);
      if (count <= NAMED) this.#say(`holdfast: ${show(this.#prefix + trouble.path)} ${trouble.problem}`);
    }
    for (const [problem, count] of counts) {
      if (count > NAMED)
        this.#say(`holdfast: ${count - NAMED} more like the last: ${problem} (--json names them all)`);
    }
  }

  #pointJson(): object {
    const { seq, id, type, time } = this.#point;
    return { seq, id, type, time: time.toISOString() };
  }

  #say(text: string): void {
    this.#context.stderr(`${text}\n`);
  }

  #line(json: unknown): void {
    this.#context.stdout(`${JSON.stringify(json)}\n`);
  }
}

/** Whether text has named all of them, see #list(). */
function namedAbove(troubles: readonly Trouble[]): string {
  const counts = new Map<string, number>();
  for (const { problem } of troubles) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  return [...counts.values()].some((count) => count > NAMED)
    ? 'the first are named above, --json names them all'
    : 'named above';
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** `text` with the number of entries that stay in place of %s; nothing for none. */
function keptText(kept: number, text: string): string {
  return kept === 0 ? '' : text.replace('%s', `${kept} that ${kept === 1 ? 'is' : 'are'} there already`);
}

function notListed(key: string, troubles: readonly Trouble[]): object {
  return troubles.length > LISTED ? { [key]: troubles.length - LISTED } : {};
}

/** How long ago, in the largest unit of which there are at least two. */
function formatAge(milliseconds: number): string {
  if (milliseconds < 0) return 'in the future by this clock';
  const minutes = milliseconds / 60_000;
  for (const [unit, length] of [
    ['days', 1440],
    ['hours', 60],
    ['minutes', 1],
  ] as const) {
    if (minutes >= 2 * length) return `${Math.floor(minutes / length)} ${unit} old`;
  }
  return 'just made';
}
