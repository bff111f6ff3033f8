import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { project, scriptCommand } from '../helpers/script.ts';
import { temporaryFolder } from '../helpers/temporary.ts';
import { claimPorts, LOOPBACK } from './ports.ts';
import { NotStarted, runCommand, startProcess } from './processes.ts';

/** A server that SIGTERM does not end. */
const STUBBORN = `
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
signal.pause()
`;

function serve(port: number): [string, ...string[]] {
  return ['/usr/bin/python3', '-m', 'http.server', '--bind', LOOPBACK, String(port)];
}

it('is there when the start returns, and gone when the stop does', async () => {
  const log = join(await temporaryFolder(), 'log');
  const { ports, release } = await claimPorts(2);
  const [port = 0, other = 0] = ports;
  const plain = await startProcess({ command: serve(port), log, port });
  expect((await fetch(`http://${LOOPBACK}:${port}/`, { method: 'HEAD' })).status).toBe(200);
  const command: [string, ...string[]] = ['/usr/bin/python3', '-c', STUBBORN, String(other)];
  const stubborn = await startProcess({ command, log, port: other });
  await Promise.all([plain.stop(), stubborn.stop()]);
  expect([plain.pid, stubborn.pid].filter(isRunning)).toEqual([]);
  release();
});

it('shows the log of a server that does not come up', async () => {
  const log = join(await temporaryFolder(), 'log');
  const command: [string, ...string[]] = ['/bin/sh', '-c', 'echo this is why; exit 1'];
  const start = startProcess({ command, log, port: 1 });
  await expect(start).rejects.toThrow(/ended while it started:\nthis is why/);
  await expect(runCommand({ command, log })).rejects.toThrow(/failed:\nthis is why/);
});

it('tells when another process has the port', async () => {
  const log = join(await temporaryFolder(), 'log');
  const { ports, release } = await claimPorts(1);
  const port = ports[0] ?? 0;
  const first = await startProcess({ command: serve(port), log, port });
  const second = startProcess({ command: serve(port), log, port });
  await expect(second).rejects.toSatisfy((e) => e instanceof NotStarted && e.clash);
  await first.stop();
  release();
});

it('does not outlive who started it, even if that is killed', async () => {
  const log = join(await temporaryFolder(), 'log');
  const { ports, release } = await claimPorts(1);
  const [file, ...args] = scriptCommand(
    `
    const { startProcess } = await import(${JSON.stringify(project('test/servers/processes.ts'))});
    const { pid } = await startProcess(JSON.parse(process.argv[1]));
    console.log(pid);
    setInterval(() => undefined, 1000);
    `,
    [JSON.stringify({ command: serve(ports[0] ?? 0), log, port: ports[0] })],
  );
  const starter = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(starter.stdout, 'data');
  const pid = Number(String(said));
  expect(isRunning(pid)).toBe(true);
  starter.kill('SIGKILL');
  await expect.poll(() => isRunning(pid), { timeout: 60_000 }).toBe(false);
  release();
});

/** Also false of one that has ended and that nobody has asked for its exit code yet (proc(5): state Z). */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
