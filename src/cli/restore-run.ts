/** What `holdfast restore` does, from the options to the report. Apart from the command, which starts a thread before all of this is loaded. */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import type { Point } from '../chain/points.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import { parseSecretKey } from '../crypto/secret-key.ts';
import { fromText } from '../format/bytes.ts';
import { readOwnerNumbers } from '../linux/owners.ts';
import { openContents } from '../manifest/open.ts';
import { Selection } from '../manifest/select.ts';
import { type RehearsalRequest, rehearse } from '../rehearse.ts';
import type { WorkerPool } from '../restore/pool.ts';
import { type Forecast, type RestoreObserver, type RestoreRequest, restore } from '../restore.ts';
import { formatBytes } from '../strategy/size.ts';
import type { CliContext } from './context.ts';
import { startProgress } from './progress.ts';
import {
  choosePoint,
  describePoint,
  offer,
  openReading,
  type Reading,
  requireSecretKey,
  sayRejected,
  withOffer,
} from './reading.ts';
import {
  arrangementOf,
  beginnings,
  commonFolder,
  type Destination,
  folderOf,
  overwriteOf,
  type RestoreOptions,
} from './restore-options.ts';
import { RestoreReport } from './restore-report.ts';
import { withSignals } from './signals.ts';

/** Does what `holdfast restore` was asked for. `pool`: workers, which whoever has made it ends. */
export async function runRestore(
  destination: Destination,
  paths: string[],
  options: RestoreOptions,
  context: CliContext,
  pool: WorkerPool,
): Promise<void> {
  const arrangement = arrangementOf(options);
  const overwrite = overwriteOf(options);
  const selection = paths.length === 0 ? undefined : new Selection(paths);
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    const point = await choosePoint(reading, options.at, context);
    const secret = await requireSecretKey(point.commit, options, context);
    const { store, names } = reading;
    const pointName = describePoint(point);
    const scratch = resolve(context.cwd, options.scratch ?? tmpdir());
    if (destination === 'tar' && !options.dryRun) {
      const { restoreTar } = await import('./restore-tar.ts');
      const request = { store, names, point, pointName, secret, selection, arrangement, scratch };
      await restoreTar(reading, request, context);
      return;
    }
    const place =
      destination === 'in-place'
        ? commonFolder(paths.length > 0 ? beginnings(paths) : await rootsOf(reading, point, secret))
        : {
            folder: options.to === undefined ? undefined : folderOf(options.to, context),
            depth: arrangement.strip,
          };
    const request: Omit<RestoreRequest, 'target' | 'signal'> = {
      store,
      names,
      point,
      pointName,
      secret,
      paths,
      selection,
      arrangement: { ...arrangement, strip: place.depth },
      overwrite: overwrite !== undefined,
      ...(overwrite === undefined || overwrite === 'always' ? {} : { keep: overwrite }),
      inPlace: destination === 'in-place' ? { uid: process.geteuid?.() ?? 0 } : undefined,
      owner: options.owner,
      owners: options.numericOwner ? undefined : readOwnerNumbers(),
      impliedMode: 0o777 & ~process.umask(),
      scratch,
    };
    const prefix = destination === 'in-place' && place.depth > 0 ? fromText(place.folder ?? '') : '';
    const report = new RestoreReport(context, options.json === true, point, place.folder, prefix);
    if (options.dryRun) await tryOut({ ...request, target: place.folder }, reading, point, report);
    else
      await bring(
        { ...request, target: place.folder as string },
        pool,
        options,
        reading,
        point,
        report,
        context,
      );
  } finally {
    await reading.store.close();
  }
}

async function bring(
  request: Omit<RestoreRequest, 'signal'>,
  pool: WorkerPool,
  options: RestoreOptions,
  reading: Reading,
  point: Point,
  report: RestoreReport,
  context: CliContext,
): Promise<void> {
  const started = performance.now();
  const progress = startProgress(context, options);
  reading.retries.heard = (line) => progress.aside(() => context.stderr(`holdfast: ${line}\n`));
  const observer: RestoreObserver = {
    onForecast: (forecast) => progress.aside(() => report.forecast(forecast)),
    phase: (name) => progress.phase(name),
    total: (amount) => progress.total(amount),
    advance: (amount) => progress.advance(amount),
  };
  const asks = request.inPlace !== undefined && options.yes !== true;
  const confirm = async (forecast: Forecast) => {
    // Nothing must be drawn over the question.
    progress.phase('');
    progress.aside(() => {});
    return ask(context, question(forecast, request));
  };
  const result = await withSignals((signal) => {
    // Nothing that is on its way from the store is waited for.
    signal.addEventListener('abort', () => void reading.store.close(), { once: true });
    return restore({ ...request, signal, ...(asks ? { confirm } : {}) }, observer, pool);
  })
    .catch(async (error: unknown) => {
      throw await withOffer(reading, point, error);
    })
    .finally(() => progress.stop());
  report.result(result, (performance.now() - started) / 1000);
  if (result.lost.length > 0) {
    const names = new Set(result.lost.flatMap(({ object }) => object ?? []));
    report.advise(`For what is damaged: ${await offer(reading, point.seq, names)}.`);
  }
}

async function tryOut(
  request: RehearsalRequest,
  reading: Reading,
  point: Point,
  report: RestoreReport,
): Promise<void> {
  const rehearsal = await rehearse(request, (entry, action) => report.wouldCome(entry, action)).catch(
    async (error: unknown) => {
      throw await withOffer(reading, point, error);
    },
  );
  report.rehearsal(rehearsal);
}

/** The paths of the sources of a point. */
async function rootsOf({ store, names }: Reading, point: Point, secret: SecretKey): Promise<string[]> {
  const reader = { store, names, key: await parseSecretKey(secret) };
  const { sources } = await openContents(reader, point.commit);
  return sources.flatMap(({ paths }) => paths);
}

function question({ entries, bytes }: Forecast, { keep }: Pick<RestoreRequest, 'keep'>): string {
  const what = {
    always: 'Whatever is in the way there is replaced.',
    'if-newer': 'What is in the way there and older is replaced.',
    never: 'What is there already stays.',
  }[keep ?? 'always'];
  const count = entries === 1 ? 'One entry' : `${entries} entries`;
  return `${count}, ${formatBytes(bytes)}, will be written to where they were on this machine. ${what} Go on? [y/N] `;
}

/** Asks on the terminal; anything but y or yes is no. */
async function ask(context: CliContext, text: string): Promise<boolean> {
  const terminal = createInterface({ input: context.stdin, output: process.stderr });
  try {
    const ended = new Promise<string>((done) => {
      terminal.once('close', () => done(''));
      terminal.once('SIGINT', () => done(''));
    });
    const answer = await Promise.race([terminal.question(text), ended]);
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
