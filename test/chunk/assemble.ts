/** Makes src/chunk/cutter-code.ts of src/chunk/cutter.wat; run by `npm run wat`, and compared with what is there by a test. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import makeWabt from 'wabt';

const SOURCE = fileURLToPath(new URL('../../src/chunk/cutter.wat', import.meta.url));
export const CODE = fileURLToPath(new URL('../../src/chunk/cutter-code.ts', import.meta.url));

/** The text of cutter-code.ts. */
export async function assemble(): Promise<string> {
  const wabt = await makeWabt();
  const module = wabt.parseWat(SOURCE, readFileSync(SOURCE, 'utf8'), { simd: true, bulk_memory: true });
  const { buffer } = module.toBinary({ canonicalize_lebs: true });
  module.destroy();
  const lines =
    Buffer.from(buffer)
      .toString('base64')
      .match(/.{1,96}/g) ?? [];
  return [
    '/** cutter.wat as WebAssembly, in base64. Made by `npm run wat`: not to be changed by hand. */',
    'export const CUTTER_CODE =',
    `${lines.map((line) => `  '${line}'`).join(' +\n')};`,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CODE, await assemble());
