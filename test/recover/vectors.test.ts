/** docs/recover.py takes and refuses what the test vectors of the format say. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readVectors } from '../format/vectors.ts';
import { project, run } from '../helpers/script.ts';

const FILES = ['commits.json', 'manifest-lines.jsonl', 'byte-strings.json', 'order.json'];

test('every vector comes out of the recovery script as it has to', async () => {
  const script = project('test/recover/vectors.py');
  const ended = await run(['python3', script, project('docs/recover.py'), project('test/vectors')]);
  expect(ended.stderr).toBe('');
  const count = FILES.reduce((n, file) => n + readVectors(file).length, 0);
  expect(ended.stdout).toBe(`${count}\n`);
  expect(readdirSync(project('docs'))).not.toContain('__pycache__');
});
