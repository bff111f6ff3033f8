/** Tells file systems that hold somebody's data from those that the kernel makes up. */
import { statfsSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** Magic numbers of file systems that hold no data of their own (linux/magic.h; man 2 statfs). */
const MADE_UP = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x01021994, // tmpfs, devtmpfs
  0x858458f6, // ramfs
  0x1cd1, // devpts
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x19800202, // mqueue
  0x958458f6, // hugetlbfs
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
  0x62656570, // configfs
  0x65735543, // fusectl
  0x42494e4d, // binfmt_misc
  0x0187, // autofs
  0x6e736673, // nsfs
  0x73717368, // squashfs: images of packages
]);

/** Whether the file system mounted at `path` may hold data that somebody would miss. One that does not answer may. */
export function holdsData(path: ByteString): boolean {
  try {
    return !MADE_UP.has(statfsSync(toFsPath(path)).type);
  } catch {
    return true;
  }
}
