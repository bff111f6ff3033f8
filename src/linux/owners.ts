/** Names and numbers of users and groups, as /etc/passwd and /etc/group have them. */
import { readFileSync } from 'node:fs';

/** Looks up names; an unknown number has none. */
export interface Owners {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}

/** Looks up numbers; an unknown name has none. */
export interface OwnerNumbers {
  uid(user: string): number | undefined;
  gid(group: string): number | undefined;
}

/** Reads both files once. One that cannot be read gives no names: numbers are recorded all the same. */
export function readOwners(passwd = '/etc/passwd', group = '/etc/group'): Owners {
  const users = first(parse(passwd).map(({ name, number }) => [number, name]));
  const groups = first(parse(group).map(({ name, number }) => [number, name]));
  return { user: (uid) => users.get(uid), group: (gid) => groups.get(gid) };
}

/** The inverse of readOwners. */
export function readOwnerNumbers(passwd = '/etc/passwd', group = '/etc/group'): OwnerNumbers {
  const users = first(parse(passwd).map(({ name, number }) => [name, number]));
  const groups = first(parse(group).map(({ name, number }) => [name, number]));
  return { uid: (user) => users.get(user), gid: (name) => groups.get(name) };
}

/** The first of several with one key counts, as for the C library. */
function first<K, V>(pairs: [K, V][]): Map<K, V> {
  return new Map(pairs.reverse());
}

function parse(file: string): { name: string; number: number }[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [name, , number] = line.split(':');
    return name && number && /^\d+$/.test(number) ? [{ name, number: Number(number) }] : [];
  });
}
