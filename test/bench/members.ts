/**
 * The processes of one command, by /proc: which they are, what memory they take, and what is left of them in the end. It starts none of
 * them, and ends only those that it has seen to belong.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The variable by which a process is known that has left its group and its parent, such as an agent. */
export const MARK = 'HOLDFAST_BENCH_COMMAND';

/** /proc counts time in these, on all systems that Node runs on (sysconf(_SC_CLK_TCK), proc(5)). */
const TICKS_PER_SECOND = 100;
/** How long a process that was left running has to end by itself. */
const END_MS = 3000;

/** The processes that belong to the command whose first process leads a session of its own. */
export class Members {
  /** Highest sum of the peak resident sizes of processes that lived at the same time, in bytes. */
  peak = 0;
  readonly #leader: number;
  readonly #mark: string;
  /** Peak resident size of each, in bytes, ended ones too. */
  readonly #sizes = new Map<number, number>();
  #alive: number[] = [];
  /** Processes of others, which need no second look. */
  #strangers = new Set<number>();

  /** `leader` is not counted itself; `mark` is the value of MARK in the command's environment. */
  constructor(leader: number, mark: string) {
    this.#leader = leader;
    this.#mark = mark;
  }

  /** Sum of the peak resident sizes of all processes that there ever were, in bytes. */
  get ofAll(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Looks once. What came and went since the look before is not seen. */
  look(): void {
    const pids = allProcesses();
    const strangers = new Set<number>();
    const before = new Set(this.#alive);
    this.#alive = [];
    let sum = 0;
    for (const pid of pids) {
      if (pid === this.#leader) continue;
      if (this.#strangers.has(pid)) {
        strangers.add(pid);
        continue;
      }
      const isNew = !before.has(pid);
      if (isNew && !this.#belongs(pid)) {
        strangers.add(pid);
        continue;
      }
      this.#alive.push(pid);
      // Between fork and exec a process has its parent's memory, and its parent's size for a peak.
      if (isNew && isCopyOfParent(pid)) continue;
      const size = peakOf(pid);
      this.#sizes.set(pid, Math.max(size, this.#sizes.get(pid) ?? 0));
      sum += size;
    }
    // A stranger that is gone is forgotten: its number may come again.
    this.#strangers = strangers;
    this.peak = Math.max(this.peak, sum);
  }

  /** Ends by their ids those that still run; returns the processor time that they have taken, in seconds, which nobody has waited for. */
  async endLeftovers(): Promise<number> {
    this.look();
    let cpu = 0;
    for (const pid of this.#alive) {
      cpu += cpuOf(pid);
      signal(pid, 'SIGTERM');
    }
    const deadline = Date.now() + END_MS;
    while (this.#alive.length > 0) {
      await sleep(10);
      this.look();
      if (Date.now() > deadline) for (const pid of this.#alive) signal(pid, 'SIGKILL');
      if (Date.now() > deadline + END_MS) break;
    }
    return cpu;
  }

  #belongs(pid: number): boolean {
    const stat = statOf(pid);
    if (stat === undefined) return false;
    return (
      stat.session === this.#leader ||
      this.#sizes.has(stat.parent) ||
      read(pid, 'environ').split('\0').includes(`${MARK}=${this.#mark}`)
    );
  }
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** VmHWM of proc(5), in bytes; 0 when the process has just ended. */
function peakOf(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024;
}

function isCopyOfParent(pid: number): boolean {
  const parent = statOf(pid)?.parent;
  return parent !== undefined && read(parent, 'cmdline') === read(pid, 'cmdline');
}

/** User and system time, in seconds. */
function cpuOf(pid: number): number {
  return (statOf(pid)?.ticks ?? 0) / TICKS_PER_SECOND;
}

/** Undefined when it is gone, or waits for its parent to notice. */
function statOf(pid: number): { parent: number; session: number; ticks: number } | undefined {
  const text = read(pid, 'stat');
  // The name before stands in brackets, and may hold any itself.
  const [state, parent, , session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (text === '' || state === 'Z') return undefined;
  return { parent: Number(parent), session: Number(session), ticks: Number(rest[7]) + Number(rest[8]) };
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
