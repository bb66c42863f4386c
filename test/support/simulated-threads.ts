/**
 * A platform whose threads are simulated, each on a core of its own: a slice takes as much of a clock, which only `passTo`
 * moves, as its machine is slow. So shares come out the same each time.
 */
import type { Platform, WorkerPort } from '../../src/hypervisor/platform.ts';
import type { MachineFacts, Request, SliceReply, SliceRequest } from '../../src/hypervisor/threads/messages.ts';

/** Instructions that a machine executes in a ms: no two of them are as fast. */
const SPEED = 100_000;

export class SimulatedThreads implements Platform {
  time = 0;
  /** Slices under way, and the most there have been; the same for the busiest of the threads. */
  running = 0;
  mostRunning = 0;
  mostInThread = 0;
  readonly #timers = new Set<{ readonly at: number; readonly action: () => void }>();
  #started = 0;

  now(): number {
    return this.time;
  }

  yield(): Promise<void> {
    return new Promise((resolve) => void this.delay(0, resolve));
  }

  delay(ms: number, action: () => void): () => void {
    const timer = { at: this.time + ms, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  startWorker(): WorkerPort {
    const speed = SPEED * (1 + 0.3 * (this.#started++ % 3));
    const slices = { underWay: 0 };
    const port: WorkerPort = {
      onMessage: undefined,
      onEnd: undefined,
      keepAlive() {},
      terminate() {},
      post: (message) => this.#serve({ port, speed, slices }, message as Request),
    };
    return port;
  }

  /** All that is due by then happens. */
  async passTo(end: number): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
      const [next] = [...this.#timers].sort((one, other) => one.at - other.at);
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.action();
    }
    this.time = end;
  }

  #serve({ port, speed, slices }: SimulatedThread, request: Request): void {
    const { number, kind } = request;
    const answer = (reply: object | undefined, ms: number) => this.delay(ms, () => port.onMessage?.({ number, reply }));
    if (kind === 'create') answer({ facts: FACTS, memorySize: 2 ** 20, hasDrives: false, modules: undefined }, 1);
    else if (kind === 'clone') answer({ facts: FACTS, memorySize: 2 ** 20, hasDrives: false, original: FACTS }, 1);
    else if (kind === 'run') {
      this.mostRunning = Math.max(this.mostRunning, ++this.running);
      this.mostInThread = Math.max(this.mostInThread, ++slices.underWay);
      const reply = run(request, speed);
      this.delay(reply.took, () => {
        this.running--;
        slices.underWay--;
      });
      answer(reply, reply.took);
    }
  }
}

interface SimulatedThread {
  readonly port: WorkerPort;
  readonly speed: number;
  readonly slices: { underWay: number };
}

function run({ instructions, milliseconds }: SliceRequest, speed: number): SliceReply {
  const took = Math.min(instructions / speed, milliseconds);
  const exit = { reason: 'budget', executed: Math.floor(took * speed) } as const;
  return { exit, facts: FACTS, took, serial: [], debugConsole: [], stateHash: undefined, lines: [], tried: undefined };
}

const FACTS: MachineFacts = {
  ...{
    instructions: 0,
    time: 0,
    nextAlarm: Number.POSITIVE_INFINITY,
    halted: false,
    tellsStolen: false,
    timeSlope: 65536,
  },
  ...{ memoryInUse: 0, memoryShared: 0, bytesInUse: 0, slowness: undefined, serialPending: 0 },
  ...{ keyboardHasData: false, balloon: undefined, cdrom: undefined, floppies: [] },
};
