import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readOwners } from '../../src/linux/owners.ts';
import { temporaryFolder } from '../helpers/temporary.ts';

test('names of owners are those of passwd and group, the first of several; an unknown number has none', async () => {
  const folder = await temporaryFolder();
  const [passwd, group] = [join(folder, 'passwd'), join(folder, 'group')];
  writeFileSync(
    passwd,
    'root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n\nbroken\nwww:x:33:33:a:b:c\n+:x::::\n',
  );
  writeFileSync(group, 'root:x:0:\nadm:x:4:a,b\nnone:x:x:\n');
  const owners = readOwners(passwd, group);
  expect([0, 33, 4].map((n) => owners.user(n))).toEqual(['root', 'www', undefined]);
  expect([0, 4, 33].map((n) => owners.group(n))).toEqual(['root', 'adm', undefined]);
  expect(readOwners(join(folder, 'none'), join(folder, 'none')).user(0)).toBeUndefined();
  expect(readOwners().user(0)).toBe('root');
});
