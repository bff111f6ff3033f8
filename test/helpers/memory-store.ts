/** A store in memory, for tests of what reads one; tells what was asked of it. */
import { createHash } from 'node:crypto';
import { HoldfastError } from '../../src/errors.ts';
import type { ObjectStat, PutOptions, Store, StoredObject } from '../../src/store/store.ts';

export class MemoryStore implements Store {
  readonly label = 'memory:test';
  readonly uploads = 4;
  readonly listingsMayLie: boolean = false;
  readonly knowsMd5: boolean = true;
  readonly objects = new Map<string, Buffer>();
  /** Names that were fetched, and names that were asked for, in order. */
  readonly fetched: string[] = [];
  readonly asked: string[] = [];

  async check(): Promise<void> {}

  async prepare(): Promise<void> {}

  async put(name: string, body: readonly Uint8Array[], { md5 }: PutOptions): Promise<void> {
    const bytes = Buffer.concat(body);
    if (md5 !== undefined && createHash('md5').update(bytes).digest('hex') !== md5)
      throw new HoldfastError('store', `${name}: MD5`);
    this.objects.set(name, bytes);
  }

  async get(name: string, limit: number): Promise<Uint8Array | undefined> {
    this.fetched.push(name);
    const bytes = this.objects.get(name);
    if (bytes !== undefined && bytes.length > limit)
      throw new HoldfastError('damage', `${name} is too large`);
    return bytes && new Uint8Array(bytes);
  }

  async stat(name: string): Promise<ObjectStat | undefined> {
    this.asked.push(name);
    const bytes = this.objects.get(name);
    return bytes && { size: bytes.length, md5: createHash('md5').update(bytes).digest('hex') };
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    for (const name of [...this.objects.keys()].sort()) {
      if (name.startsWith(prefix)) yield { name, size: this.objects.get(name)?.length ?? 0 };
    }
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) this.objects.delete(name);
  }

  async close(): Promise<void> {}
}
