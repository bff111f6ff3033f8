/**
 * Free ports on loopback for servers of the tests. Says who listens on a port; starts nothing.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/**
 * Where blocks of ports are looked for: below 32768, where Linux begins to hand out ports to outgoing connections. A port that is
 * closed for a while, as in an outage that a test makes, is still free afterwards.
 */
const [LOWEST, HIGHEST] = [20_000, 32_000];
/** Ports of a block; the first one is its claim. */
const BLOCK = 8;

/** Ports that no other run of the tests takes until they are released. */
export interface ClaimedPorts {
  readonly ports: readonly number[];
  release(): void;
}

/**
 * Claims `count` ports (seven at most) that nobody listens on. This process itself listens on the first port of their block: the claim
 * ends with it, however it ends, and two runs never share a port. Swift alone would not notice: it listens with SO_REUSEPORT.
 */
export async function claimPorts(count: number): Promise<ClaimedPorts> {
  if (count >= BLOCK) throw new Error(`a block has ${BLOCK - 1} ports, not ${count}`);
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = randomInt(LOWEST / BLOCK, HIGHEST / BLOCK) * BLOCK;
    const claim = await listen(base);
    if (claim === undefined) continue;
    const ports = Array.from({ length: count }, (_, i) => base + 1 + i);
    if (await allFree(ports)) {
      claim.unref();
      return { ports, release: () => claim.close() };
    }
    claim.close();
  }
  throw new Error(`no ${count} free ports in a row between ${LOWEST} and ${HIGHEST}`);
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const server = await listen(port);
    if (server === undefined) return false;
    server.close();
    await once(server, 'close');
  }
  return true;
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ port, host: LOOPBACK, exclusive: true });
  try {
    await once(server, 'listening');
    return server;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw e;
  }
}

/**
 * Who listens on an IPv4 port of this machine: `nobody`, the process `pid` alone, or someone `else` (too). Asked of the kernel (proc(5):
 * /proc/net/tcp, where state 0A is LISTEN), because an answer on the port would not tell whose it is.
 */
export function whoListens(port: number, pid: number): 'nobody' | 'pid' | 'else' {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === '0A' && local?.endsWith(`:${hex}`))
    .map((fields) => `socket:[${fields[9]}]`);
  if (sockets.length === 0) return 'nobody';
  const own = openFiles(pid);
  return sockets.every((socket) => own.has(socket)) ? 'pid' : 'else';
}

function openFiles(pid: number): Set<string> {
  const targets = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        targets.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        // Closed meanwhile.
      }
    }
  } catch {
    // The process has ended.
  }
  return targets;
}
