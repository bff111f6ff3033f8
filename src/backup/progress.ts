/** Running figures of a backup, in memory that its worker shares with whoever shows progress. */

/** Places of the figures in a Float64Array. */
export const PROGRESS = { entries: 0, bytesRead: 1, filesRead: 2 } as const;
export const PROGRESS_LENGTH = 3;
