/** Servers on loopback that answer as a test says, in http and https. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import {
  type AddressInfo,
  createServer as createRawServer,
  type Server as RawServer,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openConnection } from '../../../src/store/swift/connection.ts';
import { temporaryFolder } from '../../helpers/temporary.ts';

/** A plain http server; its URL, without a slash at the end. */
export async function answering(listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(listener))}`;
}

/** An https server, by the name `localhost`. */
export async function answeringSecurely(options: ServerOptions, listener: RequestListener): Promise<string> {
  return `https://localhost:${await listen(createSecureServer(options, listener))}`;
}

/** A server of bytes. */
export async function answeringRaw(listener: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    listener(socket);
  });
  const port = await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${port}`;
}

async function listen(server: Server | RawServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** The body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

/** A connection that is closed when the test has ended. */
export async function connectionFor(trust: { caFile?: string; insecure?: boolean } = {}) {
  const connection = await openConnection({ insecure: false, ...trust });
  onTestFinished(() => connection.close());
  return connection;
}

/** A key with certificates for it, made by openssl. */
export interface Certificates {
  /** An authority of the test's own. */
  authority: string;
  /** Of that authority, for `localhost`. */
  good: ServerOptions;
  /** As `good`, for another name. */
  other: ServerOptions;
  /** As `good`, but it ended in 2001. */
  expired: ServerOptions;
  /** For `localhost`, signed by itself. */
  alone: ServerOptions;
  /** As `good`, with a key of 1,024 bits (RSA). */
  weakKey: ServerOptions;
  /** As `good`, signed with SHA-1. */
  sha1: ServerOptions;
  /** As `good`, with an extension that nobody knows and that must be understood. */
  oddExtension: ServerOptions;
}

export async function makeCertificates(): Promise<Certificates> {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder, name);
  const openssl = (...options: string[]) => execFileSync('openssl', options, { cwd: folder, stdio: 'pipe' });
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'key.pem');
  openssl('genrsa', '-out', 'weak.pem', '1024');
  const request = ['req', '-new', '-key', 'key.pem'];
  const self = ['-x509', '-days', '30'];
  openssl(...request, ...self, '-subj', '/CN=Test authority', '-out', 'authority.pem');
  openssl(
    ...request,
    ...self,
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-out',
    'alone.pem',
  );
  // `openssl ca` alone can set dates in the past, and it wants a database.
  mkdirSync(at('new'));
  await writeFile(at('index.txt'), '');
  await writeFile(
    at('ca.cnf'),
    '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\nnew_certs_dir=new\ndefault_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n',
  );
  const signed = (name: string, host: string, options: string[], asking: string[] = []) => {
    openssl(
      ...request,
      '-subj',
      `/CN=${host}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
      ...asking,
      '-out',
      `${name}.csr`,
    );
    const by = ['-cert', 'authority.pem', '-keyfile', 'key.pem'];
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      ...by,
      ...options,
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.pem`,
    );
  };
  signed('good', 'localhost', ['-days', '30']);
  signed('other', 'elsewhere.example.org', ['-days', '30']);
  signed('expired', 'localhost', ['-startdate', '20000101000000Z', '-enddate', '20010101000000Z']);
  signed('weakKey', 'localhost', ['-days', '30'], ['-key', 'weak.pem']);
  signed('sha1', 'localhost', ['-days', '30', '-md', 'sha1']);
  signed('oddExtension', 'localhost', ['-days', '30'], ['-addext', '1.2.3.4=critical,DER:0500']);
  const server = (name: string, key = 'key.pem') => ({
    key: readFileSync(at(key)),
    cert: readFileSync(at(`${name}.pem`)),
  });
  // A server of our own would refuse itself what a client shall refuse.
  const lax = { ciphers: 'DEFAULT@SECLEVEL=0' };
  return {
    authority: at('authority.pem'),
    good: server('good'),
    other: server('other'),
    expired: server('expired'),
    alone: server('alone'),
    weakKey: { ...server('weakKey', 'weak.pem'), ...lax },
    sha1: { ...server('sha1'), ...lax },
    oddExtension: server('oddExtension'),
  };
}
