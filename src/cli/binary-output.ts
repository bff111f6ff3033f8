/** Bytes on standard output, as fast as whoever reads them takes them. */
import { once } from 'node:events';
import process from 'node:process';

/** Writes bytes; resolves when there is room for more. What becomes of a reader that ends early is said in main.ts. */
export async function writeBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
}
