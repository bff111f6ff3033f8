/** What a server tells of its limits (`/info`), against what backups need. Pure. */
import type { Finding } from '../../../finding.ts';
import { manifestName, StrategyNames } from '../../../format/names.ts';
import { formatBytes, formatSize } from '../../../strategy/size.ts';
import type { Examination } from '../../examination.ts';
import type { ServerInfo } from '../info.ts';

/** Objects of a manifest have up to 8 MiB (docs/format.md), whatever the volumes have. */
const MANIFEST_BYTES = 8 * 1024 * 1024;
/** A name of the longest kind: its number may grow to 16 digits. */
const LONGEST_SET = { seq: 9_999_999_999, id: '0'.repeat(32) };

export function* limitFindings(
  info: ServerInfo | undefined,
  prefix: string,
  { strategy, volumeSize }: Pick<Examination, 'strategy' | 'volumeSize'>,
): Generator<Finding> {
  const subject = 'limits';
  if (info === undefined) {
    yield {
      subject,
      state: 'note',
      what: 'the server does not tell its limits (/info)',
      advice:
        'nothing to do; ask whoever runs the cloud for the largest object, if large volumes are refused',
    };
    return;
  }
  const { maxObjectSize, maxNameLength, listingLimit, bulkDeletes, version } = info;
  const told = [
    maxObjectSize === undefined ? undefined : `objects of at most ${formatBytes(maxObjectSize)}`,
    maxNameLength === undefined ? undefined : `names of at most ${maxNameLength} bytes`,
    listingLimit === undefined ? undefined : `${listingLimit} names in a page of a listing`,
    bulkDeletes === undefined
      ? 'no bulk deletion: objects are removed one by one'
      : `${bulkDeletes} names in a bulk deletion`,
  ].filter((line) => line !== undefined);
  const needed = Math.max(volumeSize ?? 0, MANIFEST_BYTES);
  const name = `${prefix === '' ? '' : `${prefix}/`}${new StrategyNames(strategy).object(LONGEST_SET, manifestName(9999))}`;
  const length = Buffer.byteLength(name);
  let isGood = true;
  if (volumeSize !== undefined && maxObjectSize !== undefined && maxObjectSize < needed) {
    isGood = false;
    const what = `the server takes objects of at most ${formatBytes(maxObjectSize)}, and Holdfast stores such of up to ${formatBytes(needed)}`;
    const advice =
      maxObjectSize < MANIFEST_BYTES
        ? 'have the limit raised: parts of manifests alone need 8 MiB'
        : `set volume.size in the strategy to less than ${formatSize(maxObjectSize)}`;
    yield { subject, state: 'bad', what, advice };
  }
  if (maxNameLength !== undefined && maxNameLength < length) {
    isGood = false;
    const what = `the server takes names of at most ${maxNameLength} bytes, and objects of this strategy have such of up to ${length}`;
    yield {
      subject,
      state: 'bad',
      what,
      advice: 'choose a shorter prefix or a shorter name of the strategy, before the first backup',
    };
  }
  const server = version === undefined ? 'the server' : `Swift ${JSON.stringify(version).slice(1, -1)}`;
  yield { subject, state: isGood ? 'good' : 'note', what: `${server}: ${told.join('; ')}` };
}
