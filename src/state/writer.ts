/** Who writes here: the random identity of this host's index, signers that were adopted, and the set that is being made. */
import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HoldfastError, systemCode } from '../errors.ts';
import type { SetName } from '../format/names.ts';
import { writeDurably } from './folder.ts';

const id = z.string().regex(/^[0-9a-f]{32}$/);
const schema = z.strictObject({
  /** Fingerprints of former signers whose points this host continues. */
  adopted: z.array(z.string().regex(/^([0-9A-F]{40}|[0-9A-F]{64})$/)),
  /** The set that a run began to store, until that run has ended well. */
  begun: z.strictObject({ seq: z.int().min(1), id }).nullable(),
});

type Written = z.infer<typeof schema>;

const NOTHING: Written = { adopted: [], begun: null };

/** What a host keeps beside its index. Losing it loses no point. */
export class WriterRecord {
  readonly #file: string;
  #written: Written;

  private constructor(file: string, written: Written) {
    this.#file = file;
    this.#written = written;
  }

  /** Reads the record in a state folder; one that is absent or unreadable is as good as new. */
  static async open(folder: string): Promise<WriterRecord> {
    const file = join(folder, 'writer.json');
    try {
      const parsed = schema.safeParse(JSON.parse(await readFile(file, 'utf8')));
      return new WriterRecord(file, parsed.success ? parsed.data : NOTHING);
    } catch (error) {
      if (error instanceof SyntaxError || systemCode(error) === 'ENOENT')
        return new WriterRecord(file, NOTHING);
      throw new HoldfastError('state', `cannot read ${file} (${systemCode(error)}): check the state folder`, {
        path: file,
        cause: error,
      });
    }
  }

  get adopted(): readonly string[] {
    return this.#written.adopted;
  }

  get begun(): SetName | null {
    return this.#written.begun;
  }

  async adopt(fingerprint: string): Promise<void> {
    if (this.#written.adopted.includes(fingerprint)) return;
    await this.#write({ ...this.#written, adopted: [...this.#written.adopted, fingerprint] });
  }

  /** Writes down which set is about to be stored; null when it is over and done with. */
  async begin(set: SetName | null): Promise<void> {
    await this.#write({ ...this.#written, begun: set });
  }

  async #write(written: Written): Promise<void> {
    await writeDurably(this.#file, Buffer.from(`${JSON.stringify(written)}\n`), 0o600);
    this.#written = written;
  }
}

/** Removes a file that may be gone already. */
export async function removeFile(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
