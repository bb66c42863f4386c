/** A machine without a processor: it retires what it is given, one instruction per nanosecond, and does as scripted. */
import { GuestTime, slopeOf, type TimeCorrection } from '../../src/base/guest-time.ts';
import { Pending } from '../../src/base/pending.ts';
import { BreakpointSet } from '../../src/engine/breakpoints.ts';
import type {
  BalloonFigures,
  ByteChannel,
  KeyInput,
  Machine,
  MachineExit,
  MemoryBalloon,
  MemoryPool,
  RunLimits,
} from '../../src/machine/machine.ts';
import { PageScanner } from '../../src/memory/page-scanner.ts';
import { Pool } from '../../src/memory/pool.ts';

type Event = Exclude<MachineExit['reason'], 'budget' | 'time' | 'breakpoint'>;

/** Instructions between two looks at the clock. */
const LOOK = 10_000;

class FakeChannel implements ByteChannel {
  onOutput: ((bytes: Uint8Array) => void) | undefined;
  readonly sent: number[] = [];
  pending = 0;
  send(bytes: Uint8Array): void {
    this.sent.push(...bytes);
  }
}

class FakeKeys implements KeyInput {
  readonly strokes: string[] = [];
  hasData = false;
  hasKey(code: string): boolean {
    return code.startsWith('Key') || code === 'ShiftLeft' || code === 'Enter';
  }
  press(code: string): boolean {
    this.strokes.push(`+${code}`);
    return true;
  }
  release(code: string): boolean {
    this.strokes.push(`-${code}`);
    return true;
  }
}

/** One that gives nothing, and says what it is told to. */
class FakeBalloon implements MemoryBalloon {
  target = 0;
  actual = 0;
  statistics = { updates: 0, values: {} as BalloonFigures };
  hasDriver = true;
  asked = 0;

  get givesStatistics(): boolean {
    return this.hasDriver;
  }

  setTarget(pages: number): void {
    this.target = pages;
  }

  requestStatistics(): boolean {
    this.asked++;
    return this.hasDriver;
  }
}

export class FakeMachine implements Machine {
  readonly keyboard = new FakeKeys();
  readonly serial = new FakeChannel();
  readonly debugConsole = new FakeChannel();
  tellsStolen = false;
  readonly balloon = new FakeBalloon();
  readonly breakpoints = new BreakpointSet(() => {});
  instructions = 0;
  readonly #time = new GuestTime(slopeOf(1));
  halted = false;
  nextAlarm = Number.POSITIVE_INFINITY;
  /** Called when a halted machine has waited for its alarm: sets the next one. */
  onAlarm: () => void = () => {
    this.nextAlarm = Number.POSITIVE_INFINITY;
  };
  resets = 0;
  slowness: string | undefined;
  disposed = false;
  /** What happens after how many instructions. */
  readonly #script: { at: number; event: Event }[];
  /** What 'waiting' waits for. */
  answer = new Pending<unknown>(() => undefined);
  /** Output written at every run. */
  output = '';
  /** Called for every run and reset: lets the wall clock of a test move on. */
  onTimeCorrection: ((correction: TimeCorrection) => void) | undefined;
  onWork: ((work: { readonly instructions: number; readonly resets: number }) => void) | undefined;

  constructor(script: { at: number; event: Event }[] = []) {
    this.#script = script;
  }

  get time(): number {
    return this.#time.at(this.instructions);
  }

  get timeSlope(): number {
    return this.#time.slope;
  }

  correctTime(correction: Omit<TimeCorrection, 'instructions'>): void {
    this.#time.passTo(correction.time, this.instructions, correction.slope);
    this.onTimeCorrection?.({ ...correction, instructions: this.instructions });
  }

  run({ instructions, time = Number.POSITIVE_INFINITY, overdue }: RunLimits): MachineExit {
    if (this.disposed) throw new Error('used after dispose');
    // A machine that is dear to its host looks at the clock on the way.
    if (overdue && this.onWork && instructions > LOOK) {
      for (let done = 0; done < instructions; ) {
        const exit = this.#runOn({ instructions: Math.min(LOOK, instructions - done), time });
        done += exit.executed;
        if (exit.reason !== 'budget' || overdue()) return { ...exit, executed: done };
      }
      return { reason: 'budget', executed: instructions };
    }
    return this.#runOn({ instructions, time });
  }

  #runOn({ instructions, time }: { instructions: number; time: number }): MachineExit {
    if (this.halted) {
      if (this.nextAlarm === Number.POSITIVE_INFINITY) return { reason: 'idle', executed: 0 };
      if (this.nextAlarm > time) return { reason: 'time', executed: 0 };
      this.#time.passTo(this.nextAlarm, this.instructions);
      this.onAlarm();
    }
    const next = this.#script[0];
    const untilEvent = next ? next.at - this.instructions : Number.POSITIVE_INFINITY;
    const executed = Math.max(0, Math.min(instructions, untilEvent));
    this.instructions += executed;
    this.onWork?.({ instructions: executed, resets: 0 });
    if (this.output) this.serial.onOutput?.(new TextEncoder().encode(this.output));
    if (executed === untilEvent) {
      this.#script.shift();
      return exitOf(next!.event, executed, this.answer);
    }
    return { reason: 'budget', executed };
  }

  reset(): void {
    this.resets++;
    this.onWork?.({ instructions: 0, resets: 1 });
  }

  powerButton = 0;
  pressPowerButton(): void {
    this.powerButton++;
  }

  readonly memorySize = 64 * 2 ** 20;
  memoryInUse = 0;
  readonly memoryPool: MemoryPool = {
    ...{ bytesInUse: 0, bytesSaved: 0, limit: Number.POSITIVE_INFINITY, prepare: () => true },
    scanner: new PageScanner(Pool.create()),
  };
  readonly memoryShared = 0;
  readonly memorySwapped = 0;
  readonly swaps = { in: 0, out: 0 };
  swapOut(): number {
    return 0;
  }
  memoryLimit = Number.POSITIVE_INFINITY;
  registers(): never {
    throw new Error('there is no processor');
  }
  translate(): undefined {}
  peek(): Uint8Array {
    return new Uint8Array();
  }
  peekPhysical(): Uint8Array {
    return new Uint8Array();
  }
  screen(): string[] {
    return [];
  }

  stateHash(): string {
    return String(this.instructions);
  }

  dispose(): void {
    this.disposed = true;
  }
}

function exitOf(reason: Event, executed: number, answer: Pending<unknown>): MachineExit {
  switch (reason) {
    case 'debug-exit':
      return { reason, executed, status: 42 };
    case 'error':
      return { reason, executed, error: Object.assign(new Error('planted'), { name: 'InternalError' as const }) };
    case 'triple-fault':
      return { reason, executed, cause: '#GP(0): scripted' };
    case 'waiting':
      return { reason, executed, answer };
    default:
      return { reason, executed };
  }
}
