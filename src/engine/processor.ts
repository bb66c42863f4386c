/**
 * The dispatcher: a CPU with an engine. It runs guest code up to the next event, delivers faults, interrupts and debug
 * traps between instructions, and keeps guest time.
 *
 * Everything happens at an exact count of retired instructions, whatever engine runs and however the run is cut into
 * slices: alarms fire when guest time reaches them, interrupts are taken at the first instruction boundary that allows.
 */
import { InternalError, UserError } from '../base/errors.ts';
import { DEFAULT_INSTRUCTION_TIME, GuestTime, slopeOf, type TimeCorrection } from '../base/guest-time.ts';
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { Cpu, PlainEvent, PortSpace } from '../cpu/cpu.ts';
import { type CpuModel, findCpuModel } from '../cpu/cpu-model.ts';
import {
  hasDataBreakpoints,
  hasExecuteBreakpoints,
  matchData,
  matchExecute,
  recordDebug,
} from '../cpu/debug-registers.ts';
import { describeFault, GuestFault, VECTOR } from '../cpu/fault.ts';
import { EFLAGS } from '../cpu/flags.ts';
import { type Delivery, deliverInterrupt, type InterruptEvent, raiseException } from '../cpu/interrupt-delivery.ts';
import { MODE, modeKey } from '../cpu/mode-key.ts';
import { DR6 } from '../cpu/register-bits.ts';
import { resetState } from '../cpu/reset.ts';
import { checkRegisters, restoreRegisters, saveRegisters } from '../cpu/saved-registers.ts';
import { CS } from '../cpu/segmentation.ts';
import { hashState } from '../cpu/state-hash.ts';
import { type CpuState, createCpuState, STATE } from '../cpu/state-layout.ts';
import { TlbMmu } from '../cpu/tlb-mmu.ts';
import { LostPageError } from '../memory/elsewhere.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { Pool } from '../memory/pool.ts';
import { JUMP_CACHE_SIZE, JumpCache } from './blocks/jump-cache.ts';
import { type BreakpointHit, BreakpointSet } from './breakpoints.ts';
import type { CodeSpace } from './code-space.ts';
import { COST, DisposedEngine, type Engine } from './engine.ts';
import type { EngineName } from './engine-name.ts';
import { Interpreter } from './interpreter/interpreter.ts';
import { DEFAULT_TRANSLATION, EAGER_TRANSLATION, type TranslationOptions } from './jit/translation-options.ts';
import { PROCESSOR_STATE_VERSION, type ProcessorState, restoreFault, saveFault } from './processor-state.ts';
import type { EventCount, ProcessorProfile } from './profile/engine-profile.ts';
import { ReferenceEngine } from './reference/reference-engine.ts';

export { ENGINES, type EngineName } from './engine-name.ts';

export interface ProcessorOptions {
  /** The guest's name, for messages. */
  readonly name: string;
  readonly memory: GuestMemory;
  readonly ports: PortSpace;
  readonly clock: VirtualClock;
  /** A CPU model by name. */
  readonly model: string;
  readonly engine: EngineName;
  /** When hot code is translated, where that differs from what the engine does by itself. */
  readonly translation?: Partial<TranslationOptions> | undefined;
  /** Guest time that an instruction takes, in ns, until it is corrected. Default: `DEFAULT_INSTRUCTION_TIME`. */
  readonly instructionTime?: number | undefined;
  /** What all CPUs of a pool share; the state block lies in that pool. */
  readonly code: CodeSpace;
  /** INTA cycle: the interrupt controller gives the vector. */
  readonly interrupts: { acknowledge(): number };
  /** FERR# and IGNNE# pins: see `Cpu`. */
  readonly x87Error?: (level: 0 | 1) => boolean;
}

/** How a processor is profiled. */
export interface ProfileOptions {
  /** Host time in ms, for what is timed. */
  readonly now?: (() => number) | undefined;
  /** Called each time that this many instructions have retired, between two instructions: it may look, but change nothing but the interval. */
  readonly sample?: { readonly interval: number; take(): void } | undefined;
}

export interface RunResult {
  /** Instructions retired in this run, and what counts as one: see `Processor`. */
  readonly executed: number;
  /**
   * 'budget': all were retired, or `stop` was called, or the run was overdue. 'time': HLT, and the next alarm is beyond
   * the limit. 'halted': HLT, and nothing inside can wake it. 'waiting': for the host, see `VirtualClock.waitsFor`.
   * 'shutdown': triple fault. 'breakpoint': see `hit`.
   */
  readonly reason: 'budget' | 'time' | 'halted' | 'waiting' | 'shutdown' | 'breakpoint' | 'error';
  readonly hit?: BreakpointHit | undefined;
  readonly error?: InternalError;
}

export interface RunLimits {
  /** Guest time, in ns, up to which a halted processor may wait. Who executes instructions is not held by it. */
  readonly time?: number | undefined;
  /**
   * Asked every so often, more often where the guest does what is dear to the host: true ends the run at the next
   * instruction boundary. The guest can't tell.
   */
  readonly overdue?: (() => boolean) | undefined;
}

/** Units of `spend` between two looks at whether a run is overdue, about a millisecond; and what a turn of the dispatcher costs. */
const PATIENCE = 4096;
const TURN_COST = 16;
/** How the engine translates; undefined: it does not. */
function translationOf({ engine, translation }: ProcessorOptions): TranslationOptions | undefined {
  if (engine === 'auto') return { ...DEFAULT_TRANSLATION, ...translation };
  return engine === 'jit' ? { ...EAGER_TRANSLATION, ...translation } : undefined;
}

/** No budget. */
const NEVER = 0xffff_ffff;
/** What can happen at one instruction boundary, in the order of priority. */
const EVENT = { TRAP: 0, DEBUG: 1, NMI: 2, INTERRUPT: 3, NONE: 4 } as const;
const STATE_BLOCK_SIZE = STATE.size + JUMP_CACHE_SIZE;

/**
 * What counts as an instruction: each that retires, each iteration of a repeated string instruction, each attempt to
 * deliver an exception or interrupt, and each alarm that a halted processor waits for. So every run comes back, whatever
 * the guest does, and guest time moves on.
 */
export class Processor implements Cpu {
  readonly name: string;
  readonly pool: Pool;
  readonly memory: GuestMemory;
  readonly ports: PortSpace;
  readonly clock: VirtualClock;
  readonly model: CpuModel;
  readonly state: CpuState;
  readonly mmu: TlbMmu;
  readonly jumpCache: JumpCache;
  engine: Engine;
  readonly x87Error: ((level: 0 | 1) => boolean) | undefined;
  readonly breakpoints = new BreakpointSet(() => this.#breakpointsChanged());
  pendingFault: GuestFault | undefined;
  lastFault: GuestFault | undefined;
  /** External interrupt request, from the interrupt controller. */
  readonly intr = { set: (level: 0 | 1) => this.#setIntr(level) };
  /** Non-maskable interrupt: taken on a rising edge. */
  readonly nmi = { set: (level: 0 | 1) => this.#setNmi(level) };
  /** A20 gate: 1 lets address bit 20 through. */
  readonly a20 = { set: (level: 0 | 1) => this.#setA20(level) };
  readonly #acknowledge: () => number;

  #nmi: 0 | 1 = 0;
  #nmiPending = false;
  #pendingTrap: GuestFault | undefined;
  /** Instructions retired before the engine's present run, and the budget of that run. */
  #retired = 0;
  #runBudget = 0;
  #running = false;
  readonly #time: GuestTime;
  #shadowAt = -1;
  /** Events before this one have had their turn at the present boundary: each is taken at most once before an instruction runs. */
  #nextEvent: number = EVENT.TRAP;
  /** Met while another event was delivered: delivered next, before anything else. */
  #followUp: GuestFault | undefined;
  /** The engine wants to run the next instruction by itself. */
  #alone = false;
  #shadowKind: 'interrupts' | 'all' = 'interrupts';
  #stopRequested = false;
  /** The running instruction has entered an interrupt handler. */
  #entered = false;
  /** The code segment for which the jump cache holds. */
  #codeBase = -1;
  #codeLimit = -1;
  #shutdown = false;
  /** There are breakpoints on instructions; the arrival at one that was reported last. */
  #stops = false;
  #metAt = -1;
  #metAddress = -1;
  /** The exception that began the present chain, and where: what a shutdown comes from. */
  #origin: GuestFault | undefined;
  #originSelector = 0;
  #originIp = 0;
  #turns = 0;
  /** Units spent since the last look at whether the run is overdue. */
  #spent = 0;
  /** Where the next sample is taken; a run is cut there, which the guest cannot tell. */
  #nextSample = Number.POSITIVE_INFINITY;
  #sample: ProfileOptions['sample'];
  /** By kind and vector, while a profile is taken. */
  #events: Map<string, EventCount> | undefined;

  /** Powered on and reset. @throws UserError for an unknown model */
  constructor(options: ProcessorOptions) {
    const { pool } = options.code;
    this.name = options.name;
    this.pool = pool;
    this.memory = options.memory;
    this.ports = options.ports;
    this.clock = options.clock;
    this.model = findCpuModel(options.model);
    this.x87Error = options.x87Error;
    const { interrupts } = options; // not the options: they would keep the code space after dispose
    this.#acknowledge = () => interrupts.acknowledge();
    this.state = createCpuState(pool, pool.allocate(STATE_BLOCK_SIZE, 64));
    this.jumpCache = new JumpCache(this.state);
    this.mmu = new TlbMmu(this, (half) => this.jumpCache.forget(half));
    this.memory.onRouted = () => this.#forgetFrames();
    this.memory.onDiscarded = () => this.#forgetFrames();
    this.engine =
      options.engine === 'reference'
        ? new ReferenceEngine(this, options.code.decoder)
        : new Interpreter(this, options.code, translationOf(options));
    this.clock.onEarlierAlarm = () => this.attend();
    this.#time = new GuestTime(slopeOf(options.instructionTime ?? DEFAULT_INSTRUCTION_TIME));
    this.clock.setSource(() => this.#time.at(this.retired));
    this.reset();
  }

  /** RESET#: power-on state; guest time and memory stay. */
  reset(): void {
    resetState(this.state, this.model);
    this.pendingFault = undefined;
    this.#pendingTrap = undefined;
    this.#nmiPending = false;
    this.#shadowAt = -1;
    this.#nextEvent = EVENT.TRAP;
    this.#followUp = undefined;
    this.#shutdown = false;
    this.breakpoints.takeHit();
    this.mmu.flush('all');
    this.modeChanged();
  }

  /** What translations say of frames may be wrong. */
  #forgetFrames(): void {
    this.mmu.flush('all');
    this.spend(COST.ROUTED);
  }

  /** Not within a run, nor after one that ended by an error of ours. */
  save(): ProcessorState {
    return {
      version: PROCESSOR_STATE_VERSION,
      model: this.model.name,
      instructions: this.#retired,
      time: this.#time.piece,
      registers: saveRegisters(this.state),
      shadow: this.#shadowNow,
      eventsDone: this.#nextEvent,
      intr: this.interruptRequested ? 1 : 0,
      nmi: this.#nmi,
      nmiPending: this.#nmiPending,
      alone: this.#alone,
      trap: saveFault(this.#pendingTrap),
      followUp: saveFault(this.#followUp),
      shutdown: this.#shutdown,
    };
  }

  /** @throws UserError for a state that this processor cannot take over */
  checkState({ version, model, registers }: ProcessorState): void {
    if (version !== PROCESSOR_STATE_VERSION)
      throw new UserError(
        `the snapshot's processor has version ${version}: this program knows version ${PROCESSOR_STATE_VERSION}`,
      );
    if (model !== this.model.name)
      throw new UserError(`the snapshot's processor is a ${model}, not a ${this.model.name}`);
    checkRegisters(registers);
  }

  /**
   * Takes over what `save` gave; `checkState` has passed. The TLB is empty afterwards, and memory and the lines that lead
   * here have to be restored by the caller.
   */
  restore(saved: ProcessorState): void {
    this.reset();
    restoreRegisters(this.state, saved.registers);
    this.#retired = saved.instructions;
    this.#time.piece = saved.time;
    this.#shadowAt = saved.shadow === 'none' ? -1 : saved.instructions;
    if (saved.shadow !== 'none') this.#shadowKind = saved.shadow;
    this.#nextEvent = saved.eventsDone;
    this.state.interruptRequest = saved.intr;
    this.#nmi = saved.nmi;
    this.#nmiPending = saved.nmiPending;
    this.#alone = saved.alone;
    this.#pendingTrap = restoreFault(saved.trap);
    this.#followUp = restoreFault(saved.followUp);
    this.#shutdown = saved.shutdown;
    this.mmu.flush('all');
    this.modeChanged();
  }

  get retired(): number {
    if (!this.#running) return this.#retired;
    const { state } = this;
    return this.#retired + this.#runBudget - state.budget - state.ahead;
  }

  /** Why the processor has shut down, in a line: the exception that could not be handled, where, and what stood in the way. */
  get shutdownCause(): string {
    const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
    const where = `${hex(this.#originSelector, 4)}:${hex(this.#originIp, 8)}`;
    const first = this.#origin ? `${describeFault(this.#origin)}, at ${where}` : 'no exception';
    const { lastFault } = this;
    return lastFault && lastFault !== this.#origin
      ? `${first}; its delivery ends in ${describeFault(lastFault)}`
      : first;
  }

  /**
   * Turns of the dispatcher since power-on: entries into the engine, attempts at a delivery, alarms waited for. Each but
   * a few takes from the budget; tests hold a hostile guest's run to that.
   */
  get turns(): number {
    return this.#turns;
  }

  get timeStampCount(): bigint {
    return BigInt(this.clock.now);
  }

  get interruptRequested(): boolean {
    return this.state.interruptRequest !== 0;
  }

  get interruptsEnabled(): boolean {
    return (this.state.flagsOther & EFLAGS.IF) !== 0;
  }

  get halted(): boolean {
    return this.state.halted !== 0;
  }

  shadow(kind: 'interrupts' | 'all'): void {
    this.#shadowAt = this.retired;
    this.#shadowKind = kind;
  }

  attend(): void {
    this.state.attention = 1;
  }

  spend(units: number): void {
    this.#spent += units;
    // Who runs the engine by itself (difftest) is never overdue.
    if (this.#running && this.#spent >= PATIENCE) this.attend();
  }

  pendTrap(trap: GuestFault): void {
    this.#pendingTrap = trap;
    this.attend();
  }

  handlerEntered(): void {
    this.#entered = true;
  }

  enterPlainHandler(event: PlainEvent): boolean {
    return this.engine.enterPlainHandler?.(event) === true;
  }

  modeChanged(): void {
    const { state } = this;
    const key = modeKey(state);
    const { base, limit } = state.segments[CS];
    if (base !== this.#codeBase || limit !== this.#codeLimit) {
      this.#codeBase = base;
      this.#codeLimit = limit;
      this.jumpCache.forgetAll();
    }
    const changedWidth = ((state.modeKey ^ key) & MODE.CODE64) !== 0;
    state.modeKey = key;
    this.jumpCache.select();
    const watch = hasDataBreakpoints(state);
    this.mmu.watchData(watch ? (address, size, access) => this.#dataAccess(address, size, access) : undefined);
    this.mmu.refresh();
    const flags = state.flagsOther;
    const due = (this.interruptRequested && (flags & EFLAGS.IF) !== 0) || this.#nmiPending;
    if (
      due ||
      (flags & (EFLAGS.TF | EFLAGS.RF)) !== 0 ||
      changedWidth ||
      watch ||
      hasExecuteBreakpoints(state) ||
      state.pendingDebug !== 0
    )
      this.attend();
  }

  /** Ends `run` before the next block. */
  stop(): void {
    this.#stopRequested = true;
    this.attend();
  }

  /** Runs at most `maxInstructions`. Guest code can't make it throw; a bug of ours becomes reason 'error'. */
  run(maxInstructions: number, limits: RunLimits = {}): RunResult {
    const start = this.#retired;
    this.#stopRequested = false;
    try {
      const reason = this.#dispatch(start + maxInstructions, limits);
      const executed = this.#retired - start;
      return reason === 'breakpoint' ? { executed, reason, hit: this.breakpoints.takeHit() } : { executed, reason };
    } catch (thrown) {
      if (this.#running) this.#endRun();
      return { executed: this.#retired - start, reason: 'error', error: this.#internalError(thrown) };
    }
  }

  /** Guest time goes on from here at `time`, or where it is if that is later, with another slope. Not within a run. */
  correctTime({ time, slope }: Omit<TimeCorrection, 'instructions'>): void {
    this.#time.passTo(time, this.#retired, slope);
  }

  /** Of guest time, in units of 2^-16 ns per instruction. */
  get timeSlope(): number {
    return this.#time.slope;
  }

  /** The part of guest time that `clock.now` leaves out, in units of 2^-16 ns. */
  get timeFraction(): number {
    return this.#time.fractionAt(this.#retired);
  }

  /** Counts its work and takes samples from now on. Not within a run. */
  startProfile({ now, sample }: ProfileOptions = {}): void {
    this.#events = new Map();
    this.engine.startProfile(now);
    this.#sample = sample;
    if (sample) this.#nextSample = this.#retired + sample.interval;
  }

  /** Undefined unless a profile was started. */
  get profile(): ProcessorProfile | undefined {
    if (!this.#events) return undefined;
    const events = [...this.#events.values()];
    return { instructions: this.retired, events, pageWalks: this.mmu.walks, engine: this.engine.profile };
  }

  /** Equal for equal guest-visible processor state, memory included. */
  stateHash(): string {
    return hashState(this, this.retired);
  }

  /** Gives its part of the pool back, and lets go of the code space. It must not run afterwards. */
  dispose(): void {
    this.breakpoints.dispose();
    this.mmu.dispose();
    this.pool.release(this.state.address, STATE_BLOCK_SIZE);
    this.engine.dispose();
    this.engine = new DisposedEngine(this.engine.name);
  }

  #dispatch(
    end: number,
    { time: until = Number.POSITIVE_INFINITY, overdue }: RunLimits,
  ): Exclude<RunResult['reason'], 'error'> {
    const { state, clock } = this;
    for (;;) {
      this.#turns++;
      if (this.#shutdown) return 'shutdown';
      clock.fireDue();
      state.attention = 0;
      if (this.#stopRequested) return 'budget';
      if (clock.waitsFor) return 'waiting';
      if (this.breakpoints.hit) return 'breakpoint';
      if (this.#retired >= end) return !this.#eventWaits() && this.#meetsInstructionHere() ? 'breakpoint' : 'budget';
      if (this.#isOverdue(overdue)) return 'budget';
      if (this.#deliverNext()) continue;
      if (this.#meetsInstructionHere()) return 'breakpoint';
      if (this.#retired >= this.#nextSample) this.#takeSample();
      const { nextAlarm } = clock;
      const stop = Math.min(end, this.#nextSample);
      if (!state.halted)
        this.#execute(Math.min(stop - this.#retired, this.#time.instructionsUntil(nextAlarm, this.#retired)));
      else if (!this.interruptsEnabled || nextAlarm === Number.POSITIVE_INFINITY) return 'halted';
      else if (nextAlarm > until) return 'time';
      else this.#waitFor(nextAlarm);
    }
  }

  /** One sample, however many are due: attempts at a delivery, which count as instructions, may pass over some. */
  #takeSample(): void {
    const sample = this.#sample!;
    sample.take();
    const { interval } = sample;
    this.#nextSample += interval * (1 + Math.floor((this.#retired - this.#nextSample) / interval));
  }

  /** Whether a breakpoint is on the instruction that is next; once at each arrival. A repeated one is met before its first iteration. */
  #meetsInstructionHere(): boolean {
    const { state, breakpoints } = this;
    if (!this.#stops || state.halted || state.suspended || this.#followUp || this.#pendingTrap) return false;
    const linear = this.#linearIp();
    if (this.#retired === this.#metAt && linear === this.#metAddress) return false;
    if (!breakpoints.meetInstruction(linear)) return false;
    this.#metAt = this.#retired;
    this.#metAddress = linear;
    return true;
  }

  #breakpointsChanged(): void {
    const { breakpoints } = this;
    const offsets = breakpoints.instructionOffsets;
    if (this.#stops || offsets.size > 0) this.engine.stopBefore(offsets);
    this.#stops = offsets.size > 0;
    // One that is set where the processor stands is met when it comes there again.
    this.#metAt = this.#retired;
    this.#metAddress = this.#linearIp();
    this.mmu.notice(breakpoints.watchedPages, (address, size, access) => {
      if (breakpoints.meetAccess(address, size, access)) this.attend();
    });
  }

  #isOverdue(overdue: RunLimits['overdue']): boolean {
    this.#spent += TURN_COST;
    if (this.#spent < PATIENCE) return false;
    this.#spent = 0;
    return overdue?.() === true;
  }

  /** In HLT: guest time passes up to an alarm, which counts as an instruction. */
  #waitFor(alarm: number): void {
    this.#time.passTo(alarm, ++this.#retired);
    this.#nextEvent = EVENT.TRAP;
  }

  /** Runs the engine once. */
  #execute(budget: number): void {
    const { state } = this;
    const flags = state.flagsOther;
    const stepping = (flags & EFLAGS.TF) !== 0;
    const watching = hasExecuteBreakpoints(state);
    // A repeated string instruction meets its breakpoint once, before the first iteration.
    if (watching && (flags & EFLAGS.RF) === 0 && state.suspended === 0 && this.#shadowNow !== 'all') {
      const met = matchExecute(state, this.#linearIp());
      if (met !== 0) {
        recordDebug(state, met);
        return this.#raise(
          new GuestFault({ vector: VECTOR.DB, cause: { check: 'instruction breakpoint', on: { dr6: met } } }),
        );
      }
    }
    const single = stepping || watching || hasDataBreakpoints(state) || this.#eventWaits() || this.#alone;
    this.#runBudget = single ? 1 : budget;
    this.#running = true;
    this.#entered = false;
    this.#nextEvent = EVENT.TRAP;
    state.suspended = 0;
    state.interruptShadow = NEVER;
    state.stackShadow = NEVER;
    // RF lasts for one instruction; that instruction may set it anew (IRET).
    const resuming = (flags & EFLAGS.RF) !== 0;
    if (resuming) state.flagsOther = (flags & ~EFLAGS.RF) >>> 0;
    state.resumePoint = resuming ? this.#runBudget : NEVER;
    const { pendingDebug } = state;
    const exit = this.engine.run(this.#runBudget);
    const resumes = state.resumePoint === state.budget;
    this.#endRun();
    this.#alone = exit === 'alone';
    if (exit === 'fault') {
      const fault = this.pendingFault!;
      this.pendingFault = undefined;
      // An instruction that did not complete has met no data breakpoint.
      state.pendingDebug = pendingDebug;
      if (fault.kind !== 'wait') return this.#raise(fault);
      this.#wait();
    }
    if (resumes) state.flagsOther = (state.flagsOther | EFLAGS.RF) >>> 0;
    // Entering a handler (INT n) clears TF and with it the trap. MOV SS and POP SS have none: it is not put off, as a data
    // breakpoint is, until the next instruction has been executed or an exception delivered (SDM Vol. 2B, "POP").
    if (stepping && exit !== 'fault' && !this.#entered && this.#shadowNow !== 'all') state.pendingDebug |= DR6.BS;
  }

  /** The instruction at `state.ip` waits for an interrupt before it starts. Its attempt counts as an instruction. */
  #wait(): void {
    this.#retired++;
    this.state.halted = 1;
  }

  #endRun(): void {
    const { state } = this;
    this.#retired += this.#runBudget - state.budget;
    if (state.interruptShadow === state.budget) {
      this.#shadowAt = this.#retired;
      this.#shadowKind = 'interrupts';
    }
    if (state.stackShadow === state.budget) {
      this.#shadowAt = this.#retired;
      this.#shadowKind = 'all';
    }
    this.#running = false;
    state.budget = 0;
    this.#runBudget = 0;
  }

  #raise(fault: GuestFault): void {
    this.#countEvent('exception', fault.vector);
    if (fault !== this.#followUp) {
      const { state } = this;
      this.#origin = fault;
      this.#originSelector = state.segments[CS].selector;
      this.#originIp = state.ip;
    }
    this.#deliver(() => raiseException(this, fault));
  }

  /** One attempt, which counts as an instruction: a handler that faults at once, or that can't be entered, must not stop time. */
  #deliver(attempt: () => Delivery): void {
    this.#retired++;
    this.#followUp = undefined;
    const result = attempt();
    if (result === 'shutdown') this.#shutdown = true;
    else if (result !== 'delivered') this.#followUp = result;
  }

  /**
   * An event is due but was not taken: a shadow hides it, or another event came first at this boundary. Its turn comes
   * after one instruction, so that a storm of events cannot stop the machine from getting on.
   */
  #eventWaits(): boolean {
    const { state } = this;
    const interrupt = this.interruptRequested && this.interruptsEnabled;
    return interrupt || (this.#nmiPending && state.nmiBlocked === 0) || state.pendingDebug !== 0;
  }

  /** What the instruction before this boundary holds off. */
  get #shadowNow(): 'none' | 'interrupts' | 'all' {
    return this.#shadowAt === this.#retired ? this.#shadowKind : 'none';
  }

  /**
   * The first event that is due at this boundary: traps, NMI, interrupts, in the order of their priority.
   * @returns whether there was one
   */
  #deliverNext(): boolean {
    const { state } = this;
    if (this.#followUp) {
      this.#raise(this.#followUp);
      return true;
    }
    const shadow = this.#shadowNow;
    if (this.#nextEvent <= EVENT.TRAP && this.#pendingTrap) {
      const trap = this.#pendingTrap;
      this.#pendingTrap = undefined;
      return this.#take(EVENT.DEBUG, trap);
    }
    if (this.#nextEvent <= EVENT.DEBUG && state.pendingDebug !== 0 && shadow !== 'all') {
      recordDebug(state, state.pendingDebug);
      const on = { dr6: state.pendingDebug };
      state.pendingDebug = 0;
      return this.#take(
        EVENT.NMI,
        new GuestFault({ vector: VECTOR.DB, kind: 'trap', cause: { check: 'debug trap', on } }),
      );
    }
    if (this.#nextEvent <= EVENT.NMI && this.#nmiPending && state.nmiBlocked === 0 && shadow !== 'all') {
      this.#nmiPending = false;
      return this.#take(EVENT.NONE, { vector: VECTOR.NMI, kind: 'nmi' });
    }
    if (this.#nextEvent <= EVENT.INTERRUPT && this.interruptRequested && this.interruptsEnabled && shadow === 'none') {
      return this.#take(EVENT.NONE, { vector: this.#acknowledge(), kind: 'external' });
    }
    return false;
  }

  /** Delivers an event of this boundary; `next` is the first that may still be taken at it. */
  #take(next: number, event: GuestFault | InterruptEvent): true {
    this.#nextEvent = next;
    this.state.nextIp = this.state.ip;
    if (event instanceof GuestFault) {
      this.#raise(event);
    } else {
      this.#countEvent(event.kind, event.vector);
      this.#deliver(() => deliverInterrupt(this, event));
    }
    return true;
  }

  #countEvent(kind: EventCount['kind'], vector: number): void {
    if (!this.#events) return;
    const name = `${kind} ${vector}`;
    this.#events.set(name, { kind, vector, count: (this.#events.get(name)?.count ?? 0) + 1 });
  }

  #dataAccess(address: number, size: number, access: 'read' | 'write'): void {
    const { state } = this;
    const met = matchData(state, address, size, access);
    if (met === 0) return;
    state.pendingDebug |= met;
    this.attend();
  }

  #linearIp(): number {
    const { state } = this;
    return state.modeKey & MODE.CODE64 ? state.ip : (state.segments[CS].base + state.ip) >>> 0;
  }

  #setIntr(level: 0 | 1): void {
    this.state.interruptRequest = level;
    if (level === 1 && this.interruptsEnabled) this.attend();
  }

  #setNmi(level: 0 | 1): void {
    if (level === 1 && this.#nmi === 0) {
      this.#nmiPending = true;
      this.attend();
    }
    this.#nmi = level;
  }

  #setA20(level: 0 | 1): void {
    const mask = level === 1 ? 0xffff_ffff : 0xffef_ffff;
    if (this.state.a20Mask === mask) return;
    this.state.a20Mask = mask;
    this.mmu.flush('all');
    this.modeChanged();
  }

  #internalError(thrown: unknown): InternalError {
    // No bug: where the guest was does not matter.
    if (thrown instanceof LostPageError) return new InternalError(`${this.name}: ${thrown.message}`, { cause: thrown });
    const { state } = this;
    const bytes = this.#bytesAt(this.#linearIp());
    const where = `${state.segments[CS].selector.toString(16).padStart(4, '0')}:${state.ip.toString(16).padStart(8, '0')}`;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return new InternalError(`${this.name}: internal error at ${where} (bytes ${bytes}): ${reason}`, { cause: thrown });
  }

  #bytesAt(linear: number): string {
    try {
      const at = this.mmu.translateFetch(linear);
      return [...this.memory.copyOut(at, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    } catch {
      return 'not readable';
    }
  }
}
