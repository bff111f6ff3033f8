import { closeSync, constants, openSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Entry } from '../../src/model.ts';
import { Decisions, Existing, type Overwrite } from '../../src/restore/existing.ts';
import type { PlanItem } from '../../src/restore/plan.ts';
import { OpenFolders } from '../../src/target/open-folders.ts';
import { file } from '../helpers/quick-store.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

/** What passes of some entries, and what was decided. */
async function passed(root: string, entries: Entry[], overwrite: Overwrite, decided?: Decisions) {
  const fd = openSync(root, constants.O_RDONLY);
  try {
    const existing = new Existing({ root, folders: new OpenFolders(root, fd), overwrite, decided });
    async function* batches(): AsyncGenerator<PlanItem[]> {
      yield entries.map((entry) => ({ kind: 'entry', entry, continues: false }));
    }
    const paths: string[] = [];
    for await (const batch of existing.pass(batches()))
      for (const item of batch) if (item.kind === 'entry') paths.push(item.entry.path);
    return { paths, existing };
  } finally {
    closeSync(fd);
  }
}

test('what cannot be looked at is kept and named, also by the run that goes on', async () => {
  const root = await temporaryFolder();
  writeFileSync(join(root, 'older'), '');
  utimesSync(join(root, 'older'), 1, 1);
  // No file system here takes such a name, whoever asks.
  const long = `/${'x'.repeat(300)}`;
  const entries = [file(`${long}/below`, 1), file(long, 1), file('/new', 1), file('/older', 1)];
  for (const [overwrite, expected] of [
    ['if-newer', ['/new', '/older']],
    ['never', ['/new']],
  ] as const) {
    const first = await passed(root, entries, overwrite);
    expect(first.paths).toEqual(expected);
    const named = [`${long}/below`, long].map((path) => ({
      path,
      problem: 'stays as it is: what is there cannot be looked at (ENAMETOOLONG)',
    }));
    expect(first.existing.unseen).toEqual(named);
    expect(first.existing.kept).toBe(entries.length - expected.length);
    const decided = Decisions.parse(first.existing.decisions.toText());
    const again = await passed(root, entries, overwrite, decided);
    expect(again.paths).toEqual(expected);
    expect(again.existing.unseen).toEqual(named);
  }
});
