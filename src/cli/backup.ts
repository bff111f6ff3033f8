/** `holdfast backup`: makes a point, and says of it as much as was asked for. */
import process from 'node:process';
import { Command, Option } from 'commander';
import type { BegunWalk } from '../backup/begin-walk.ts';
import type { ProduceEvent, SkippedEvent } from '../backup/events.ts';
import type { RequestedType } from '../backup/plan.ts';
import type { Forecast } from '../backup/survey.ts';
import type { ReadyThreads } from '../backup/threads.ts';
import type { BackupOutcome } from '../backup.ts';
import { show, toText } from '../format/bytes.ts';
import type { Incident } from '../index/compare.ts';
import type { ByteString } from '../model.ts';
import { holdsData } from '../source/mount.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { addHostOptions, type HostOptions } from './host-options.ts';
import { pathKeys } from './path-json.ts';
import { withSignals } from './signals.ts';
import { formatTime } from './times.ts';
import { programVersion } from './version.ts';

interface Options extends HostOptions {
  type: RequestedType;
  dryRun?: true;
  verbose?: true;
  json?: true;
}

/** Incidents that a summary lists; of more, only the number is given. */
const LISTED = 10_000;

export function backupCommand(context: CliContext): Command {
  const command = new Command('backup')
    .description('make a point: a full or an incremental set of what the strategy names')
    .addOption(
      new Option('--type <type>', 'kind of set').choices(['auto', 'full', 'incremental']).default('auto'),
    )
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('-v, --verbose', 'say what was done, also without a terminal')
    .option('--json', 'print JSON lines, ending with a summary');
  return addHostOptions(command)
    .addHelpText(
      'after',
      `
With --type auto an incremental is made, unless schedule.full is due, there is no usable index, the recipients changed, or
something that the chain needs is gone. Without a terminal it says nothing when all is well.

Ends with 0 when all is in the store, 1 when no point was made, 2 when the strategy or the call is wrong, 3 when the point
was made but something could not be read or needs attention, 11 when another run is under way, 12 when a key is at fault.

Example (crontab):
  30 2 * * *  holdfast backup -c /etc/holdfast/strategy.yaml
`,
    )
    .action((options: Options) => run(options, context));
}

async function run(options: Options, context: CliContext): Promise<void> {
  if (options.dryRun) return work(options, context, undefined);
  // First of all: they get ready while strategy, state and store are looked at.
  const { ReadyThreads } = await import('../backup/threads.ts');
  const threads = new ReadyThreads();
  try {
    await work(options, context, threads);
  } finally {
    await threads.close();
  }
}

async function work(options: Options, context: CliContext, threads: ReadyThreads | undefined): Promise<void> {
  const begun = performance.now();
  const report = new Report(options, context);
  const retries = { heard: (line: string) => report.retry(line) };
  const { openHost } = await import('./host.ts');
  const { beginWalk } = await import('../backup/begin-walk.ts');
  let walk: BegunWalk | undefined;
  const host = await openHost(options, context, {
    command: 'backup',
    check: async (file) => (await import('../crypto/signer.ts')).loadSigner(file),
    retries,
    onStrategy(strategy, folders) {
      if (threads !== undefined && options.type !== 'full')
        walk = beginWalk(threads, strategy, folders, context.now);
      threads?.readyProducer();
    },
  });
  try {
    const started = walk?.confirm();
    const [{ backup, dryRun }, { loadSigner }, { SILENT, startProgress }, { followFigures }] =
      await Promise.all([
        import('../backup.ts'),
        import('../crypto/signer.ts'),
        import('./progress.ts'),
        import('./backup-progress.ts'),
      ]);
    const progress = options.dryRun ? SILENT : startProgress(context, options);
    retries.heard = (line) => progress.aside(() => report.retry(line));
    let figures: { stop(): void } | undefined;
    const backupOptions = {
      strategy: host.strategy,
      store: host.store,
      stateFolder: host.stateFolder,
      writer: host.writer,
      signer: await loadSigner(host.signerFile),
      recipients: host.recipients,
      requested: options.type,
      keepAccessTime: process.platform === 'linux',
      own: host.own,
      tool: `holdfast ${programVersion()}`,
      now: context.now,
      started,
      onWarning: (text: string) => progress.aside(() => report.warn(text)),
      onEvent: (event: ProduceEvent) => progress.aside(() => report.event(event)),
      onPlan: (plan: { type: string; reason: string }, seq: number) =>
        progress.aside(() => report.say(`point ${seq}: ${plan.type}, because ${plan.reason}`)),
      onProgress: (counted: Float64Array) => {
        figures?.stop();
        figures = followFigures(progress, counted);
      },
      ...(progress === SILENT
        ? {}
        : { onForecast: ({ entries, bytes }: Forecast) => progress.total({ files: entries, bytes }) }),
    };
    if (options.dryRun) {
      const result = await dryRun(
        { ...backupOptions, signal: new AbortController().signal },
        ({ path, as }) => options.verbose && context.stdout(`${as.padEnd(7)} ${show(path)}\n`),
      );
      report.dryRun(result);
      return;
    }
    const outcome = await withSignals(async (signal) => {
      // Nothing that is on its way to the store is waited for.
      signal.addEventListener('abort', () => void host.store.close(), { once: true });
      return backup({ ...backupOptions, signal, ...(threads && { threads }) });
    }).finally(() => {
      figures?.stop();
      progress.stop();
    });
    report.summary(outcome, (performance.now() - begun) / 1000);
  } finally {
    await host.close();
  }
}

/** Turns what happens into text or JSON. */
class Report {
  readonly #json: boolean;
  readonly #talks: boolean;
  readonly #context: CliContext;
  readonly #incidents: Incident[] = [];
  #unlisted = 0;

  constructor(options: Options, context: CliContext) {
    this.#json = options.json === true;
    this.#talks = !this.#json && (options.verbose === true || context.isTTY.stderr);
    this.#context = context;
  }

  warn(text: string): void {
    if (this.#json) this.#line({ event: 'warning', message: text });
    this.#context.stderr(`holdfast: warning: ${text}\n`);
  }

  /** The store's troubles that are being got over: where they are not, the run ends with an error. */
  retry(line: string): void {
    if (this.#json) this.#line({ event: 'retry', message: line });
    this.say(line);
  }

  /** Said on a terminal or with --verbose only. */
  say(text: string): void {
    if (this.#talks) this.#context.stderr(`${text}\n`);
  }

  event(event: ProduceEvent): void {
    if ('skipped' in event) {
      this.#skipped(event);
      return;
    }
    if ('emptied' in event) {
      this.#emptied(event);
      return;
    }
    const { incident } = event;
    if (this.#incidents.length < LISTED) this.#incidents.push(incident);
    else this.#unlisted++;
    if (this.#json) this.#line({ event: 'incomplete', ...incidentJson(incident) });
    this.#context.stderr(`holdfast: ${describe(incident)}\n`);
  }

  /** Whoever can write there can make a marker: that a folder is no longer backed up is said once. */
  #emptied({ emptied, marker, entries }: Extract<ProduceEvent, { emptied: ByteString }>): void {
    if (this.#json)
      this.#line({ event: 'emptied', ...pathKeys(emptied), marker: toText(marker) ?? show(marker), entries });
    const which = entries === 1 ? 'one entry' : `${entries} entries`;
    this.#context.stderr(
      `holdfast: ${show(emptied)} is left out from now on, because ${show(marker)} lies in it: ${which} of the last point ${entries === 1 ? 'is' : 'are'} not in this one\n`,
    );
  }

  #skipped({ skipped, why, marker }: SkippedEvent): void {
    if (this.#json) {
      const by = marker === undefined ? {} : { marker: toText(marker) ?? show(marker) };
      this.#line({ event: 'skipped', ...pathKeys(skipped), why, ...by });
    }
    if (why === 'own') {
      this.say(`${show(skipped)}: Holdfast's own, left out`);
    } else if (why === 'marker') {
      this.say(`${show(skipped)}: what is in it is left out, because ${show(marker ?? '')} lies in it`);
    } else if (why === 'size') {
      this.say(`${show(skipped)}: larger than excludeLargerThan, left out`);
    } else if (holdsData(skipped)) {
      // Nobody should learn only when restoring that a disk was never backed up.
      this.#context.stderr(
        `holdfast: ${show(skipped)} is another file system and is not backed up; exclude it, name it as a path of its own, or say oneFileSystem: false\n`,
      );
    } else {
      this.say(`${show(skipped)}: another file system is mounted there, not entered`);
    }
  }

  dryRun(result: { type: string; reason: string; survey: import('../backup/survey.ts').Survey }): void {
    const { type, reason, survey } = result;
    for (const skipped of survey.skipped) this.event(skipped);
    for (const incident of survey.incidents) this.event({ incident });
    if (survey.incidents.length > 0) this.#context.exitCode = EXIT.incomplete;
    const { fresh, changed, gone, leftOut, bytes, entries } = survey;
    if (this.#json) {
      this.#line({
        event: 'plan',
        type,
        reason,
        entries,
        new: fresh,
        changed,
        gone,
        leftOut,
        bytes,
        incomplete: this.#list(),
      });
      return;
    }
    this.#context.stdout(
      `would make: ${type}, because ${reason}\n` +
        `entries:    ${entries} (${fresh} new, ${changed} changed, ${gone} gone${alsoLeftOut(leftOut)})\n` +
        `to read:    about ${bytes} bytes\n`,
    );
  }

  summary(outcome: BackupOutcome, seconds: number): void {
    const { seq, id, type, time, reason, made, bytesStored, needsAttention } = outcome;
    const { counts, changes, bytesRead } = made.result;
    if (needsAttention) this.#context.exitCode = EXIT.incomplete;
    if (this.#json) {
      this.#line({
        event: 'summary',
        point: { seq, id, type, time: time.toISOString() },
        reason,
        entries: counts.entries,
        files: counts.files,
        bytes: counts.bytes,
        new: changes.fresh,
        changed: changes.changed,
        gone: changes.gone,
        leftOut: changes.leftOut,
        vanished: made.result.vanished,
        bytesRead,
        bytesStored,
        seconds: Math.round(seconds * 1000) / 1000,
        incomplete: this.#list(),
        ...(this.#unlisted > 0 ? { incompleteNotListed: this.#unlisted } : {}),
      });
      return;
    }
    this.say(
      `point ${seq} (${type}, ${formatTime(time)}): ${counts.entries} entries, ${counts.bytes} bytes; ` +
        `${changes.fresh} new, ${changes.changed} changed, ${changes.gone} gone${alsoLeftOut(changes.leftOut)}; ` +
        (made.result.vanished > 0 ? `${made.result.vanished} vanished before they could be read; ` : '') +
        `read ${bytesRead}, stored ${bytesStored} bytes in ${seconds.toFixed(1)} s`,
    );
  }

  #list(): unknown[] {
    return this.#incidents.map(incidentJson);
  }

  #line(json: unknown): void {
    this.#context.stdout(`${JSON.stringify(json)}\n`);
  }
}

/** Entries that have gone because the strategy, or a marker, leaves them out now. */
function alsoLeftOut(count: number): string {
  return count === 0 ? '' : `, ${count} left out from now on`;
}

function incidentJson({ path, kind, error, carried }: Incident): Record<string, unknown> {
  return { ...pathKeys(path), kind, ...(error === undefined ? {} : { error }), carried };
}

const KINDS: Record<Incident['kind'], string> = {
  missing: 'is missing',
  empty: 'is empty; if that is right, say allowEmpty: true in the strategy',
  unreadable: 'cannot be read',
  partial: 'has extended attributes that cannot be read',
  torn: 'was written to while it was read, three times: what is stored is a mixture',
};

function describe({ path, kind, error, carried }: Incident): string {
  const code = error === undefined ? '' : ` (${error})`;
  const instead =
    kind === 'torn'
      ? ''
      : kind === 'partial'
        ? '; the rest of it is in the point'
        : carried
          ? '; its last version stays in the point'
          : '; it is not in the point';
  return `${show(path)} ${KINDS[kind]}${code}${instead}`;
}
