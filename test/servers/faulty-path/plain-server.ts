/** A server of plain objects in memory that speaks about as much of Swift as the faulty path's own tests need. Names that end in `/refused` get 413 at once. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PlainServer {
  readonly port: number;
  readonly objects: Map<string, Buffer>;
  /** Requests whose body did not come whole, as `PUT /v1/a/c/o 1234`. */
  readonly torn: string[];
  /** Paths and queries of every request, as they came. */
  readonly targets: string[];
  /** Head fields of every request. */
  readonly heads: IncomingMessage['headers'][];
  /** How many sign-ins there were; TempAuth gives the same token each time. */
  signIns: number;
  stop(): Promise<void>;
}

export const TOKEN = 'AUTH_tk0123456789abcdef';

export async function startPlainServer(): Promise<PlainServer> {
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const plain: PlainServer = {
    port,
    objects: new Map(),
    torn: [],
    targets: [],
    heads: [],
    signIns: 0,
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method } = request;
    const { pathname: path, searchParams } = new URL(request.url!, 'http://server');
    plain.targets.push(request.url!);
    plain.heads.push(request.headers);
    if (path.endsWith('/refused')) {
      response.writeHead(413, { 'Content-Length': 0 }).end();
      request.resume();
      return;
    }
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece);
    } catch {
      plain.torn.push(`${method} ${path} ${Buffer.concat(pieces).length}`);
      return;
    }
    const body = Buffer.concat(pieces);
    const etag = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
    if (path === '/auth/v1.0') {
      plain.signIns += 1;
      const storage = `http://127.0.0.1:${port}/v1/AUTH_test`;
      response
        .writeHead(200, { 'X-Auth-Token': TOKEN, 'X-Storage-Token': TOKEN, 'X-Storage-Url': storage })
        .end();
    } else if (path === '/v1/AUTH_test/box') {
      const after = searchParams.get('marker') ?? '';
      const names = [...plain.objects.keys()].map((name) => name.slice('/v1/AUTH_test/box/'.length)).sort();
      const page = names.filter((name) => name > after).slice(0, Number(searchParams.get('limit') ?? 10_000));
      const text = JSON.stringify(page.map((name) => ({ name, bytes: 1 })));
      response.writeHead(200, {
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': text.length,
      });
      response.end(text);
    } else if (method === 'PUT') {
      plain.objects.set(path, body);
      response.writeHead(201, { ETag: etag(body), 'Content-Length': 0 }).end();
    } else {
      const stored = plain.objects.get(path);
      if (stored === undefined) response.writeHead(404, { 'Content-Length': 0 }).end();
      else {
        response.writeHead(200, { ETag: etag(stored), 'Content-Length': stored.length, 'X-Trans-Id': 'tx1' });
        response.end(stored);
      }
    }
  }
  return plain;
}
