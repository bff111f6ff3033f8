/** Limits that writers and readers of volumes and sealed objects share (docs/format.md, sections 3 and 4). */

/** No chunk is larger, in bytes. */
export const CHUNK_LIMIT = 16 * 1024 * 1024;

/** No zstd frame asks for a larger window: the logarithm of 8 MiB. */
export const WINDOW_LOG = 23;
