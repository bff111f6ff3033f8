/** How the servers of a Swift store are connected to: which certificates prove them, and when plain http is allowed. */

import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext, getCACertificates } from 'node:tls';
import { HoldfastError, systemCode } from '../../errors.ts';
import type { Credentials } from './credentials/credentials.ts';
import { http } from './http.ts';

export { connectionFailure } from './connection-failure.ts';

/** The agents through which all requests of a run go, and whether plain http and unproven servers are allowed. */
export interface Connection {
  http: HttpAgent;
  /** TLS 1.2 or newer; certificates are checked unless `insecure`. Where the system's certificates are trusted, it is made when it is first asked for: to read them takes 50 ms. */
  readonly https: HttpsAgent;
  insecure: boolean;
  /** Ends the connections that are open. */
  close(): void;
}

/** No file of trusted certificates is larger. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * Makes the agents. The certificates of `caFile` are trusted instead of those of the system. Throws HoldfastError
 * `strategy` when that file cannot be used.
 */
export async function openConnection({
  caFile,
  insecure,
}: Pick<Credentials, 'caFile' | 'insecure'>): Promise<Connection> {
  const named = caFile === undefined ? undefined : await certificatesIn(caFile);
  const plain = new http.Agent({ keepAlive: true });
  let secure = named && secureAgent(named, insecure);
  return {
    http: plain,
    get https() {
      secure ??= secureAgent(systemCertificates(), insecure);
      return secure;
    },
    insecure,
    close: () => {
      plain.destroy();
      secure?.destroy();
    },
  };
}

/** `trusted`: Node's own certificates, where it is undefined. */
function secureAgent(trusted: string[] | undefined, insecure: boolean): HttpsAgent {
  return new HttpsAgent({
    keepAlive: true,
    minVersion: 'TLSv1.2',
    // One context for all: reading some hundred certificates anew for every connection takes a tenth of a second.
    secureContext: createSecureContext({ minVersion: 'TLSv1.2', ...(trusted && { ca: trusted }) }),
    rejectUnauthorized: !insecure,
  });
}

/**
 * Node has a list of its own, which lacks what a town's IT staff added to the machine's. Undefined where the machine
 * has none: then Node's is used.
 */
function systemCertificates(): string[] | undefined {
  const system = getCACertificates('system');
  if (system.length === 0) return undefined;
  // The same one stands in several files of /etc/ssl/certs. `extra` is what NODE_EXTRA_CA_CERTS adds.
  return [...new Set([...system, ...getCACertificates('extra')])];
}

async function certificatesIn(file: string): Promise<string[]> {
  const refuse = (message: string, cause?: unknown) =>
    new HoldfastError('strategy', `${file}: ${message}`, { path: file, cause });
  let text: string;
  try {
    if ((await stat(file)).size > MOST_BYTES) {
      throw refuse('is larger than 8 MiB: this is no file of trusted certificates');
    }
    text = await readFile(file, 'latin1');
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause;
    throw refuse(
      `the file of trusted certificates cannot be read (${systemCode(cause) ?? 'unknown reason'})`,
      cause,
    );
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw refuse('holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)');
  for (const [index, certificate] of found.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw refuse(`certificate ${index + 1} in it is damaged; fetch the file anew`, cause);
    }
  }
  return found;
}

/**
 * Throws HoldfastError `strategy` when `url` is plain http to another machine, unless `insecure`: whoever is on the
 * way could read the token, and with it delete backups. `what` names it in the message.
 */
export function refusePlain(url: URL, insecure: boolean, what = 'the URL of the store'): void {
  if (url.protocol === 'https:' || insecure || (url.protocol === 'http:' && isLoopback(url.hostname))) return;
  throw new HoldfastError(
    'strategy',
    `${what} is ${url.origin}, which is not encrypted: use https, or allow it for tests with store.swift.insecure: true`,
  );
}

/** The URL class has brought all spellings of an IPv4 address to four numbers, and put IPv6 in brackets. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
