/** `holdfast cat`: writes the content of one file of a point to standard output. */
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { HoldfastError } from '../errors.ts';
import type { CliContext } from './context.ts';
import {
  choosePoint,
  describePoint,
  openReading,
  requireSecretKey,
  sayRejected,
  withOffer,
} from './reading.ts';
import { addKeyOptions, addReadingOptions, type KeyOptions, type ReadingOptions } from './reading-options.ts';

interface Options extends ReadingOptions, KeyOptions {
  at?: string;
  scratch?: string;
}

/** The command. */
export function catCommand(context: CliContext): Command {
  const command = new Command('cat')
    .description('write the content of one file to standard output')
    .argument('[path...]', 'absolute source path of one file; no glob')
    .option('--at <when>', 'the point: latest, its number, its id, a time, or an age such as 3d', 'latest')
    .option('--scratch <dir>', 'folder for what does not fit into memory while it waits', tmpdir())
    .addHelpText(
      'after',
      `
Fetches only the parts of the list and the volumes that the file needs. A piece is written when its digest was found right; whether the file
is whole, the exit code says: use the output only after 0. The scratch is encrypted and has no name.

Ends with 0 when the file is whole, 2 when it is no file, 4 when it is damaged (what was written is not the whole of it), 10 when
there is no such point or path, 12 when a key is at fault.

Example:
  holdfast cat --secret-key secret.asc --at 3d /etc/nginx/nginx.conf > nginx.conf
`,
    );
  addReadingOptions(command);
  return addKeyOptions(command).action((paths: string[], options: Options) => run(paths, options, context));
}

async function run([text, more]: string[], options: Options, context: CliContext): Promise<void> {
  const [{ cat }, { parseSecretKey }, { absolutePath }, { writeBytes }] = await Promise.all([
    import('../cat.ts'),
    import('../crypto/secret-key.ts'),
    import('../manifest/select.ts'),
    import('./binary-output.ts'),
  ]);
  if (text === undefined || more !== undefined) {
    throw new HoldfastError('usage', 'name one file, by its absolute path; --help shows how');
  }
  const path = absolutePath(text);
  const reading = await openReading(options, context);
  try {
    sayRejected(reading, context);
    const point = await choosePoint(reading, options.at, context);
    const key = await parseSecretKey(await requireSecretKey(point.commit, options, context));
    const scratch = resolve(context.cwd, options.scratch ?? tmpdir());
    const { store, names } = reading;
    await cat({ store, names, point, pointName: describePoint(point), key, path, scratch }, writeBytes).catch(
      async (error: unknown) => {
        throw await withOffer(reading, point, error);
      },
    );
  } finally {
    await reading.store.close();
  }
}
