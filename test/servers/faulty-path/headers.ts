/** HTTP header fields as the faulty path passes, changes and logs them. */

/** Fields by name in lower case; a field that came several times has several values. */
export type Headers = Map<string, string[]>;

/** Fields to set; `null` takes one away. */
export type HeaderChanges = Readonly<Record<string, string | null>>;

/** RFC 9110, section 7.6.1: fields about one connection, which are not passed on; Expect is answered by the path itself. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

const SECRET = /token|key|pass|secret|authorization|cookie|signature/;

/** Fields to pass on, from Node's flat list of names and values. */
export function endToEnd(raw: readonly string[]): Headers {
  const headers: Headers = new Map();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (HOP_BY_HOP.has(name)) continue;
    headers.set(name, [...(headers.get(name) ?? []), raw[i + 1]!]);
  }
  return headers;
}

/** Node's flat list. */
export function flat(headers: Headers): string[] {
  return [...headers].flatMap(([name, values]) => values.flatMap((value) => [name, value]));
}

export function change(headers: Headers, changes: HeaderChanges): void {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name.toLowerCase());
    else headers.set(name.toLowerCase(), [value]);
  }
}

/** The length that Content-Length states, undefined without one. */
export function statedLength(headers: Headers): number | undefined {
  const value = headers.get('content-length')?.[0];
  return value === undefined ? undefined : Number(value);
}

/** Fields for the log and for rules: nothing that signs anybody in. */
export function withoutSecrets(headers: Headers): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const [name, values] of headers) if (!SECRET.test(name)) shown[name] = values.join(', ');
  return shown;
}
