/** Has what was written to an open file go to its file system, so that whatever is stored through a mapping from then on moves its time stamps. */
import { calls } from './calls.ts';

/** SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE and _WAIT_AFTER (linux/fs.h; man 2 sync_file_range). */
const WRITE_AND_WAIT = 1 | 2 | 4;

/**
 * Writes the dirty pages of a file, and waits until that is done. Linux moves the time stamps of a file that is mapped into memory only at
 * the first store to a clean page: writing a page makes it clean again. Neither metadata nor the disk's cache is flushed, so it costs next to nothing
 * where nothing is dirty. Does nothing where the call is not to be had; errors are of whoever wrote.
 */
export function writeDirtyPages(fd: number): void {
  calls()?.sync_file_range?.(fd, 0, 0, WRITE_AND_WAIT);
}
