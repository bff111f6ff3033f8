/** Numbers of devices as Linux packs them (sysmacros.h), and node:fs gives them. */

/** One number of a major and a minor one, each of 32 bits. */
export function packDevice(major: number, minor: number): bigint {
  if (major === 0 && minor < 0x100) return BigInt(minor);
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & ~0xfffn) << 32n) | ((a & 0xfffn) << 8n) | ((b & ~0xffn) << 12n) | (b & 0xffn);
}

/** Major and minor number. */
export function unpackDevice(device: bigint): [number, number] {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn);
  return [Number(major), Number(minor)];
}
