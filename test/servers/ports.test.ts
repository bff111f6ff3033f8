import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { claimPorts, LOOPBACK, whoListens } from './ports.ts';

it('claims ports that can be listened on, and none of them twice', async () => {
  const claims = await Promise.all(Array.from({ length: 20 }, () => claimPorts(7)));
  try {
    const ports = claims.flatMap((claim) => claim.ports);
    expect(new Set(ports).size).toBe(140);
    for (const port of ports) {
      const server = createServer().listen(port, LOOPBACK);
      await once(server, 'listening');
      server.close();
    }
  } finally {
    for (const claim of claims) claim.release();
  }
});

it('tells who listens on a port', async () => {
  const { ports, release } = await claimPorts(1);
  const port = ports[0] ?? 0;
  expect(whoListens(port, process.pid)).toBe('nobody');
  const server = createServer().listen(port, LOOPBACK);
  await once(server, 'listening');
  expect(whoListens(port, process.pid)).toBe('pid');
  expect(whoListens(port, process.ppid)).toBe('else');
  server.close();
  release();
});
