/** `holdfast restore --tar`: the archive on standard output, everything else on standard error. */
import { parseSecretKey, type SecretKey } from '../crypto/secret-key.ts';
import { HoldfastError } from '../errors.ts';
import { show } from '../format/bytes.ts';
import { formatBytes } from '../strategy/size.ts';
import { type TarRequest, type TarResult, tar } from '../tar.ts';
import { writeBytes } from './binary-output.ts';
import type { CliContext } from './context.ts';
import { EXIT } from './exit.ts';
import { offer, type Reading, withOffer } from './reading.ts';
import { withSignals } from './signals.ts';

/** Writes the archive, and says on standard error what is not in it. */
export async function restoreTar(
  reading: Reading,
  request: Omit<TarRequest, 'key' | 'stop'> & { secret: SecretKey },
  context: CliContext,
): Promise<void> {
  const { point, pointName } = request;
  const key = await parseSecretKey(request.secret);
  const result = await withSignals((signal) => {
    // Nothing that is on its way from the store is waited for.
    signal.addEventListener('abort', () => void reading.store.close(), { once: true });
    const stop = () => {
      if (signal.aborted) throw new HoldfastError('interrupted', 'interrupted: the archive is not whole');
    };
    return tar({ ...request, key, stop }, writeBytes);
  }).catch(async (error: unknown) => {
    throw await withOffer(reading, point, error);
  });
  report(result, pointName, context);
  if (result.lost.length === 0) return;
  const names = new Set(result.lost.flatMap(({ object }) => object ?? []));
  context.stderr(`For what is damaged: ${await offer(reading, point.seq, names)}.\n`);
}

function report(
  { entries, bytes, damaged, incomplete, doubtful }: TarResult,
  pointName: string,
  context: CliContext,
): void {
  for (const { path, problem } of [...doubtful, ...incomplete, ...damaged]) {
    context.stderr(`holdfast: ${show(path)} ${problem}\n`);
  }
  const absent = damaged.length + incomplete.length;
  const left =
    absent === 0 ? '' : `; ${absent === 1 ? 'one entry is' : `${absent} entries are`} missing, named above`;
  context.stderr(
    `Wrote ${pointName} as an archive: ${entries === 1 ? 'one entry' : `${entries} entries`}, ${formatBytes(bytes)}${left}.\n`,
  );
  if (damaged.length > 0) context.exitCode = EXIT.damage;
  else if (incomplete.length + doubtful.length > 0) context.exitCode = EXIT.incomplete;
}
