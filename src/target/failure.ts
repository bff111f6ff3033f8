/** Turns failures to write into errors that say what to do. */
import { isNoSpace } from '../durable.ts';
import { HoldfastError, systemCode } from '../errors.ts';

/**
 * The error for a failure to write `path` that ends the restore: `no-space` for a full disk or a used-up quota, `io` for the rest.
 * `path` must be fit to be shown.
 */
export function writeFailed(path: string, cause: unknown): HoldfastError {
  if (isNoSpace(cause)) {
    return new HoldfastError(
      'no-space',
      `no room left for ${path}: the restore is incomplete; free some space and give the same command again, it goes on where it stopped`,
      { path, cause },
    );
  }
  const reason = systemCode(cause) ?? (cause instanceof Error ? cause.message : 'error');
  return new HoldfastError(
    'io',
    `${path} cannot be written (${reason}): the restore is incomplete; when that is mended, give the same command again, it goes on where it stopped`,
    { path, cause },
  );
}

/** Whether a failure concerns the whole target and not one entry: going on would only fail again and again. */
export function endsRestore(error: unknown): boolean {
  const code = systemCode(error);
  return isNoSpace(error) || code === 'EROFS' || code === 'EMFILE' || code === 'ENFILE' || code === 'EIO';
}
