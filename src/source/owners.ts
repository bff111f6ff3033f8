/** Names of users and groups by number, as /etc/passwd and /etc/group have them. */
import { readFileSync } from 'node:fs';

/** Looks up names; an unknown number has none. */
export interface Owners {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}

/** Reads both files once. One that cannot be read gives no names: numbers are recorded all the same. */
export function readOwners(passwd = '/etc/passwd', group = '/etc/group'): Owners {
  const users = parse(passwd);
  const groups = parse(group);
  return { user: (uid) => users.get(uid), group: (gid) => groups.get(gid) };
}

function parse(file: string): Map<number, string> {
  const names = new Map<number, string>();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return names;
  }
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':');
    // The first of several names for one number counts, as for the C library.
    if (name && number && /^\d+$/.test(number) && !names.has(Number(number))) names.set(Number(number), name);
  }
  return names;
}
