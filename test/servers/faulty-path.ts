/**
 * A way to a Swift server that breaks things on purpose: an HTTP proxy on loopback whose rules say what goes wrong.
 *
 *     const path = await startFaultyPath(swift.proxyPort);
 *     path.on(put(/vol-/), nth(2), status(503));
 *     const lost = path.on(put(/commits\//), once, loseAnswer());
 *     … expect(lost.acted).toBe(1);
 *
 * The first rule that matches a request and whose turn it is acts; the others count it all the same. What no rule claims is passed
 * on as it is. A request with an expired token is refused before any rule sees it.
 */
import { once as event } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { unauthorized } from './faulty-path/answers.ts';
import { Cut, Left, ServerLost } from './faulty-path/endings.ts';
import { Exchange, type Logged, type Way } from './faulty-path/exchange.ts';
import type { Match } from './faulty-path/match.ts';
import { type On, type Rule, Rules } from './faulty-path/rules.ts';
import { Tokens } from './faulty-path/tokens.ts';
import { claimPorts, LOOPBACK } from './ports.ts';

export * from './faulty-path/alterations.ts';
export * from './faulty-path/answers.ts';
export { half, type Place } from './faulty-path/body.ts';
export { cutBefore, cutInBody, cutOneIn, loseAnswer, truncateAnswer } from './faulty-path/cuts.ts';
export * from './faulty-path/delays.ts';
export type { Action, Exchange, Logged } from './faulty-path/exchange.ts';
export * from './faulty-path/listings.ts';
export * from './faulty-path/match.ts';
export type { On, Rule } from './faulty-path/rules.ts';
export * from './faulty-path/when.ts';

export interface FaultyPath {
  readonly port: number;
  /** Without a slash at the end. */
  readonly url: string;
  readonly rules: readonly Rule[];
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly Readonly<Logged>[];
  readonly on: On;
  /** Removes all rules. What is under way goes on. */
  clear(): void;
  /** Refuses every token seen so far, until its owner signs in again. */
  expireTokens(): void;
  /** Resolves when the n-th request that matches (from now on) has arrived. */
  arrival(match: Match, n?: number): Promise<Readonly<Logged>>;
  /** Ends all connections and refuses new ones. */
  down(): Promise<void>;
  /** Listens again, on the same port. */
  up(): Promise<void>;
  /** Ends everything; throws what went wrong in the path itself, if anything did. */
  stop(): Promise<void>;
}

/** `upstreamPort`: where the real server listens, in plain http on loopback. */
export async function startFaultyPath(upstreamPort: number): Promise<FaultyPath> {
  const tokens = new Tokens();
  const requests: Logged[] = [];
  const rules = new Rules();
  const arrivals = new Set<(logged: Logged) => void>();
  const sockets = new Map<Socket, number>();
  const underWay = new Set<Promise<void>>();
  const defects: unknown[] = [];
  let connections = 0;

  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.set(socket, connections);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => {
    const work = handle(request, response);
    underWay.add(work);
    work.finally(() => underWay.delete(work));
  });
  const claim = await claimPorts(1);
  const port = claim.ports[0]!;
  const way: Way = { upstreamPort, url: `http://${LOOPBACK}:${port}`, tokens };

  async function up(): Promise<void> {
    server.listen(port, LOOPBACK);
    await event(server, 'listening');
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response, sockets.get(request.socket) ?? 0, way);
    const { logged } = exchange;
    requests.push(logged);
    for (const arrived of [...arrivals]) arrived(logged);
    try {
      if (tokens.refuses(exchange.headers)) {
        logged.done = 'token expired';
        await unauthorized(exchange);
        return;
      }
      const action = rules.choose(logged);
      logged.done = action?.name ?? 'forwarded';
      await (action === undefined ? exchange.forward() : action.run(exchange));
    } catch (error) {
      if (!(error instanceof Cut || error instanceof Left || error instanceof ServerLost))
        defects.push(error);
      exchange.cut(error instanceof Cut ? error.by : 'reset');
    } finally {
      logged.ended = true;
    }
  }

  async function down(): Promise<void> {
    const closed = server.listening ? event(server, 'close') : undefined;
    server.close();
    for (const socket of sockets.keys()) socket.resetAndDestroy();
    await closed;
  }

  await up();
  return {
    port,
    url: way.url,
    rules: rules.standing,
    requests,
    on: rules.on,
    clear: () => rules.clear(),
    expireTokens: () => tokens.expire(),
    arrival: (match, n = 1) =>
      new Promise((resolve) => {
        let count = 0;
        arrivals.add(function arrived(logged) {
          if (!match(logged)) return;
          count += 1;
          if (count < n) return;
          arrivals.delete(arrived);
          resolve(logged);
        });
      }),
    down,
    up,
    async stop() {
      await down();
      await Promise.all(underWay);
      claim.release();
      if (defects.length > 0) throw new AggregateError(defects, 'the faulty path itself failed');
    },
  };
}
