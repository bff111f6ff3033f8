import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { EXAMPLE } from '../../src/strategy/example.ts';
import { wordsFor } from '../../src/strategy/issues.ts';
import { checkStrategy } from '../../src/strategy/load.ts';
import { strategyJsonSchema, strategySchema } from '../../src/strategy/schema.ts';
import { notActedUpon, notWorkingYet } from '../../src/strategy/unfinished.ts';

/** Every key of the schema, by its path (lists as `[]`), with the schema of its value. */
function keysOf(schema: z.core.$ZodType, at = ''): { path: string; schema: z.core.$ZodType }[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape as Record<string, z.core.$ZodType>).flatMap(([key, below]) => {
      const path = at === '' ? key : `${at}.${key}`;
      return [{ path, schema: below }, ...keysOf(below, path)];
    });
  }
  if (schema instanceof z.ZodArray) return keysOf(schema.element, `${at}[]`);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return keysOf(schema.unwrap(), at);
  }
  return [];
}

interface Described {
  description?: string;
  examples?: unknown[];
  default?: unknown;
  properties?: Record<string, Described>;
  items?: Described;
  required?: string[];
}

/** The part of the JSON Schema for one path of keysOf, and whether its key must be there. */
function described(path: string): { part: Described; required: boolean } {
  let part: Described = strategyJsonSchema();
  let required = false;
  for (const step of path.split('.')) {
    const key = step.replace('[]', '');
    required = part.required?.includes(key) ?? false;
    part = part.properties![key]!;
    if (step.endsWith('[]')) part = part.items!;
  }
  return { part, required };
}

const keys = keysOf(strategySchema);

describe('the schema', () => {
  test('all keys are found by this test', () => {
    expect(keys.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'name',
        'sources',
        'sources[].exclude',
        'store.swift.uploads',
        'schedule.at',
        'volume.compression',
      ]),
    );
  });

  test.each(keys)('$path has a description and examples that it accepts itself', ({ path, schema }) => {
    const { part } = described(path);
    expect(part.description).toMatch(/^[A-Z].*\.$/s);
    expect(part.examples?.length).toBeGreaterThan(0);
    for (const example of part.examples ?? []) {
      expect(z.safeParse(schema, example, { error: wordsFor }).error?.issues ?? []).toEqual([]);
    }
  });

  test('the JSON Schema says what must be there, and that nothing else may', () => {
    const schema = strategyJsonSchema();
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      required: ['name', 'sources', 'store', 'recipients'],
      additionalProperties: false,
    });
    expect(described('store').part).toMatchObject({
      oneOf: [{ required: ['swift'] }, { required: ['directory'] }],
    });
    expect(described('schedule.full').part).toMatchObject({ type: 'string', default: 'weekly' });
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});

describe('the example', () => {
  test('it is accepted as it stands, and a backup does all that it says', () => {
    const { strategy, problems } = checkStrategy(EXAMPLE, '/etc/holdfast/strategy.yaml');
    expect(problems).toEqual([]);
    expect(notWorkingYet(strategy!)).toEqual([]);
    expect(notActedUpon(strategy!)).toEqual([]);
  });

  test('it is accepted with the further keys that it shows', () => {
    const all = EXAMPLE.replace(/^#(?! \S|$)/gm, '');
    expect(all).toContain('\nsigner: ');
    expect(all).toContain('\n  prefix: ');
    const { strategy, problems } = checkStrategy(all, '/etc/holdfast/strategy.yaml');
    expect(problems).toEqual([]);
    expect(strategy).toMatchObject({
      retention: { weekly: 8 },
      objectives: {},
      volume: { compression: 3 },
      signer: [expect.any(String)],
    });
  });
});

describe('the reference', () => {
  test('docs/strategy.md has a row for every key: meaning, default and example as the schema has them', async () => {
    const text = await readFile(new URL('../../docs/strategy.md', import.meta.url), 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    const expected = keys.map(({ path }) => {
      const { part, required } = described(path);
      const isEmptyBlock = JSON.stringify(part.default) === '{}';
      let fallback = required ? 'required' : 'none';
      if (part.default !== undefined && !isEmptyBlock) fallback = `\`${part.default}\``;
      return `| \`${path}\` | ${part.description} | ${fallback} | ${part.examples!.map((one) => `\`${inYaml(one)}\``).join(', ')} |`;
    });
    expect(rows.filter((row) => !row.includes('not in the schema')).sort()).toEqual(expected.sort());
  });

  test('every strategy shown in docs/strategy.md is accepted', async () => {
    const text = await readFile(new URL('../../docs/strategy.md', import.meta.url), 'utf8');
    const shown = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml]) => yaml!);
    expect(shown.length).toBeGreaterThan(0);
    for (const yaml of shown) expect(checkStrategy(yaml, '/h.yaml').problems).toEqual([]);
  });
});

/** A value as one would write it in YAML on one line. */
function inYaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inYaml).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([key, below]) => `${key}: ${inYaml(below)}`)
      .join(', ')} }`;
  }
  const text = String(value);
  return /^[*\d].*[:*. ]/.test(text) ? `"${text}"` : text;
}
