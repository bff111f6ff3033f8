/** Words for what goes wrong in a directory store: failed file operations become errors that say what to do. */
import { isNoSpace } from '../durable.ts';
import { HoldfastError, systemCode } from '../errors.ts';

export class DirectoryFaults {
  readonly #label: string;
  readonly #root: string;

  /** `label` names the store in every message. */
  constructor(label: string, root: string) {
    this.#label = label;
    this.#root = root;
  }

  error(
    code: 'store' | 'store-absent' | 'no-space' | 'damage',
    message: string,
    object?: string,
    cause?: unknown,
  ): HoldfastError {
    const context = object === undefined ? { path: this.#root } : { object };
    return new HoldfastError(code, `store ${this.#label}: ${message}`, { ...context, cause });
  }

  absent(cause?: unknown): HoldfastError {
    return this.error(
      'store-absent',
      'the folder is not there; mount it, or create it if it is to be a new store',
      undefined,
      cause,
    );
  }

  link(path: string, object?: string): HoldfastError {
    return this.error(
      'damage',
      `${path} is a symbolic link, and links are not followed; put back what it stands for`,
      object,
    );
  }

  notFile(object: string): HoldfastError {
    return this.error('damage', `${object} is not a regular file; put back the object or remove it`, object);
  }

  /** What a failed operation means to the user; anything but a system error of Node is handed on as it is. */
  failure(error: unknown, message: string, object?: string): unknown {
    const code = systemCode(error);
    if (error instanceof HoldfastError || code === undefined) return error;
    if (isNoSpace(error)) {
      return this.error('no-space', `${message}: no room left; free some or raise the quota`, object, error);
    }
    return this.error('store', `${message}: ${advice(code)}`, object, error);
  }
}

function advice(code: string): string {
  if (code === 'EROFS') return 'it is mounted read-only; mount it for writing';
  if (code === 'EACCES' || code === 'EPERM') {
    return 'permission denied; give this user rights to the folder, or run as its owner';
  }
  return `${code}; check the disk and how it is mounted`;
}
