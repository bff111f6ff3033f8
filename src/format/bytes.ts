/** Byte strings and their way into JSON: as text where they are valid UTF-8, as base64 where they are not. */
import type { ByteString } from '../model.ts';

const ASCII = /^[\x00-\x7f]*$/;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The bytes of a byte string. */
export function toBytes(name: ByteString): Buffer {
  return Buffer.from(name, 'latin1');
}

/** The byte string of some bytes. */
export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The byte string of a text: its UTF-8 bytes. */
export function fromText(text: string): ByteString {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text of a byte string, or undefined where its bytes are not valid UTF-8. */
export function toText(name: ByteString): string | undefined {
  if (ASCII.test(name)) return name;
  try {
    return decoder.decode(toBytes(name));
  } catch {
    return undefined;
  }
}

/** What node:fs takes for a path: the string itself where it is plain ASCII (cheaper), else its bytes. */
export function toFsPath(path: ByteString): string | Buffer {
  return ASCII.test(path) ? path : toBytes(path);
}

/**
 * The two properties that carry a byte string in JSON: `{[key]: text}` or `{[key + '64']: base64}`.
 * Specification: docs/format.md, section 5.2.
 */
export function toJson<K extends string>(
  key: K,
  name: ByteString,
): { [P in K]?: string } & { [P in `${K}64`]?: string } {
  const text = toText(name);
  const property = text === undefined ? { [`${key}64`]: toBytes(name).toString('base64') } : { [key]: text };
  return property as { [P in K]?: string } & { [P in `${K}64`]?: string };
}

/**
 * The inverse of toJson: undefined unless exactly one of the two is there, `text` has no lone surrogates (which stand for
 * no bytes), and `base64` is canonical.
 */
export function fromJson(text: string | undefined, base64: string | undefined): ByteString | undefined {
  if (text !== undefined) return base64 === undefined && text.isWellFormed() ? fromText(text) : undefined;
  if (base64 === undefined) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes.toString('latin1') : undefined;
}

/**
 * A byte string as it may be shown on a terminal or in a log: one line, control characters and broken bytes escaped. No two
 * byte strings are shown alike.
 */
export function show(name: ByteString): string {
  const text = toText(name);
  if (text === undefined) {
    return name.replace(
      /[^\x20-\x5b\x5d-\x7e]/g,
      (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  }
  // Cc and Cf (bidirectional overrides among them), line and paragraph separators could forge a message.
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029\\]/gu, (c) => {
    if (c === '\\') return '\\\\';
    if (c === '\n') return '\\n';
    if (c === '\t') return '\\t';
    const code = c.codePointAt(0) ?? 0;
    // From 0x80 on, \x stands for a byte that is no UTF-8.
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
