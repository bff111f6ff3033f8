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

/** The byte string of a text: its UTF-8 bytes. Lone surrogates from U+DC80 to U+DCFF stand for the bytes 0x80 to 0xff; see toLooseText. */
export function fromText(text: string): ByteString {
  if (ASCII.test(text)) return text;
  if (text.isWellFormed()) return Buffer.from(text, 'utf8').toString('latin1');
  return text
    .split(/([\udc80-\udcff])/u)
    .map((part, i) =>
      i % 2 === 1
        ? String.fromCharCode(part.charCodeAt(0) & 0xff)
        : Buffer.from(part, 'utf8').toString('latin1'),
    )
    .join('');
}

/** A character of UTF-8 (RFC 3629, section 4), several of ASCII, or a byte that is none. */
const CHARACTERS =
  /[\x00-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

/** A text of which fromText() gives this byte string, whatever bytes it has: those that are no UTF-8 are lone surrogates in it, as in Python's PEP 383. */
export function toLooseText(name: ByteString): string {
  return name.replace(CHARACTERS, (character) =>
    character.length === 1 && character > '\x7f'
      ? String.fromCharCode(0xdc00 + character.charCodeAt(0))
      : toBytes(character).toString('utf8'),
  );
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
