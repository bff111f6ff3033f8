/** A plain server, a faulty path before it, and a client, for the path's own tests. */
import { createHash } from 'node:crypto';
import { Agent, request as open } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach } from 'vitest';
import { noise } from '../../chunk/noise.ts';
import { type FaultyPath, startFaultyPath } from '../faulty-path.ts';
import { type PlainServer, startPlainServer } from './plain-server.ts';

export const ACCOUNT = '/v1/AUTH_test';
export const BOX = `${ACCOUNT}/box`;
export const BODY = noise(300_000, 'body');
/** What the client's error says when its connection was reset. */
export const reset = { code: 'ECONNRESET' };

export let server: PlainServer;
export let path: FaultyPath;
let agent: Agent;

/** Starts them before each test of the file, and stops them after it. */
export function aroundEach(): void {
  beforeEach(async () => {
    server = await startPlainServer();
    path = await startFaultyPath(server.port);
    agent = new Agent({ keepAlive: true });
  });

  afterEach(async () => {
    agent.destroy();
    await path.stop();
    await server.stop();
  });
}

export interface Heard {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** Why the answer is not whole. */
  broken?: string;
  /** Whether the answer came before the request's body was out. */
  early: boolean;
}

export interface Sent {
  body?: Buffer | Readable;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Rejects with the connection's error when there was no answer. */
export function ask(
  method: string,
  target: string,
  { body, headers = {}, signal }: Sent = {},
): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const length = Buffer.isBuffer(body) ? { 'Content-Length': String(body.length) } : {};
    const options = { method, agent, headers: { ...length, ...headers }, ...(signal && { signal }) };
    const request = open(path.url + target, options);
    request.on('error', reject);
    request.on('response', async (answer) => {
      const heard: Heard = {
        status: answer.statusCode!,
        headers: answer.headers,
        body: Buffer.alloc(0),
        early: !request.writableFinished,
      };
      const pieces: Buffer[] = [];
      try {
        for await (const piece of answer) pieces.push(piece);
      } catch (error) {
        heard.broken = (error as NodeJS.ErrnoException).code ?? String(error);
      }
      resolve({ ...heard, body: Buffer.concat(pieces) });
    });
    if (body === undefined) request.end();
    else pipeline(Buffer.isBuffer(body) ? Readable.from([body]) : body, request).catch(() => {});
  });
}

export const store = (name: string, body = BODY) => ask('PUT', `${BOX}/${name}`, { body });
export const fetched = (name: string) => ask('GET', `${BOX}/${name}`);

export function keep(name: string, body = BODY): void {
  server.objects.set(`${BOX}/${name}`, body);
}

export function kept(name: string): Buffer | undefined {
  return server.objects.get(`${BOX}/${name}`);
}

export function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** Resolves when `holds` does; the test's own time limit is the bound. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
