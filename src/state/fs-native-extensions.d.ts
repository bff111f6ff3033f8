/** The part of fs-native-extensions that is used here; the package carries no types. */
declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on the whole of an open, writable file; false when another open file description has it. */
  export function tryLock(fd: number): boolean;
}
