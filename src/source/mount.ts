/** Tells file systems that hold somebody's data from those that the kernel makes up. */
import { statfsSync } from 'node:fs';
import { toFsPath } from '../format/bytes.ts';
import type { ByteString } from '../model.ts';

/** Magic numbers of file systems that the kernel makes up, and in which no file was ever put by anybody (linux/magic.h; man 2 statfs). */
const KERNEL_MADE = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x1cd1, // devpts
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x19800202, // mqueue
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
  0x62656570, // configfs
  0x65735543, // fusectl
  0x42494e4d, // binfmt_misc
  0x0187, // autofs
  0x6e736673, // nsfs
]);

/** Those of which the content goes when the machine does, or came with a package. */
const OF_NO_LASTING = new Set([
  0x01021994, // tmpfs, devtmpfs
  0x858458f6, // ramfs
  0x958458f6, // hugetlbfs
  0x73717368, // squashfs: images of packages
]);

/** Whether the file system at `path` is one that the kernel makes up: reading it may never end. One that does not answer is none. */
export function isKernelMade(path: ByteString): boolean {
  return KERNEL_MADE.has(typeAt(path) ?? 0);
}

/** Whether the file system mounted at `path` may hold data that somebody would miss. One that does not answer may. */
export function holdsData(path: ByteString): boolean {
  const type = typeAt(path) ?? 0;
  return !KERNEL_MADE.has(type) && !OF_NO_LASTING.has(type);
}

function typeAt(path: ByteString): number | undefined {
  try {
    return statfsSync(toFsPath(path)).type;
  } catch {
    return undefined;
  }
}
