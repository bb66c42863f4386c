/**
 * Runs vectors on a real machine of ours: processor, engine, page tables; the scratch pages are all it has.
 *
 * An engine gets a budget of one instruction; but one that translates would not enter a region for that. So it is given
 * a block, a NOP and the vector's instruction, and runs until there is a fault, as there is behind the instruction and
 * wherever else it leads.
 */
import { VirtualClock } from '../base/virtual-clock.ts';
import { createCodeSpace } from '../engine/code-space.ts';
import type { EngineExit } from '../engine/engine.ts';
import { type EngineName, Processor, type ProcessorOptions } from '../engine/processor.ts';
import { MAX_INSTRUCTION_LENGTH } from '../isa/decoder.ts';
import { GuestMemory } from '../memory/guest-memory.ts';
import { Pool } from '../memory/pool.ts';
import { leadInOffset, slotOffset, type VectorMode } from './address-space.ts';
import { HARNESS_MAP } from './host/harness.ts';
import type { Ending, Outcome, Vector } from './vector.ts';
import { enterUserMode, loadState, readState } from './vector-state.ts';

const PAGE = 0x1000;
const NOP = 0x90;
const BREAKPOINT = 0xcc;
/** Two of them are no instruction: a translated block ends before them. */
const INVALID = 0xc4;
const TABLES = 0x1000;
const USER_PAGE = 7; // present, writable, user
/** More iterations than any vector's count register asks for. */
const MAXIMUM_ITERATIONS = 64;
/** What may stand before a repeat prefix, and those two. */
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0]);
const REPEAT_PREFIXES = new Set([0xf2, 0xf3]);

/** Regions of one instruction each. */
export const CUT_EVERYWHERE = { firstInstructions: 1, regionInstructions: 1 } as const;

export type MachineSettings = Pick<ProcessorOptions, 'engine' | 'translation'>;

export class MachineOracle {
  readonly #settings: MachineSettings;
  readonly #machines: { 16?: Processor; 32?: Processor; 64?: Processor } = {};

  constructor(engine: EngineName, translation?: ProcessorOptions['translation']) {
    // Every vector changes the code.
    this.#settings = { engine, translation: { cools: false, ...translation } };
  }

  /** Instructions that translated code has retired. */
  get translated(): number {
    return Object.values(this.#machines).reduce((sum, { engine }) => sum + engine.translated, 0);
  }

  /** One instruction, all its iterations included. */
  run(vector: Vector): Outcome {
    const processor = this.#prepare(vector);
    if (runsInBlock(this.#settings, vector.mode)) return this.#runInBlock(processor, vector);
    const start = slotOffset(vector.mode);
    let result = this.#step(processor, { budget: 1, start });
    for (let iteration = 1; result.ending === undefined && iteration < MAXIMUM_ITERATIONS; iteration++) {
      const { broken } = result;
      result = this.#step(processor, { budget: 1, start });
      if (broken !== undefined) result.broken = broken;
    }
    return this.#outcome(processor, vector, result);
  }

  /** As many instructions as the parts say, in as many runs; less if one faults. */
  runSequence(vector: Vector, parts: readonly number[]): Outcome {
    const processor = this.#prepare(vector);
    let result: StepResult = {};
    for (const budget of parts) {
      result = this.#step(processor, { budget, start: slotOffset(vector.mode) });
      if (result.ending?.kind === 'fault') break;
    }
    return this.#outcome(processor, vector, result);
  }

  #runInBlock(processor: Processor, vector: Vector): Outcome {
    const { state, engine } = processor;
    const before = engine.translated;
    state.ip = leadInOffset(vector.mode);
    state.budget = 1 + MAXIMUM_ITERATIONS;
    let result: StepResult;
    do {
      state.attention = 0;
      result = this.#step(processor, { budget: state.budget, start: -1 });
    } while (result.exit === 'attention' && state.budget > 0);
    const retired = 1 + MAXIMUM_ITERATIONS - state.budget;
    let { ending } = result;
    let wanted = 1;
    if (state.ip !== slotOffset(vector.mode)) {
      ending = { kind: 'next', ip: BigInt(state.ip) };
      wanted = 2;
    }
    const asWanted = isRepeated(vector) ? retired >= wanted : retired === wanted;
    const broken = result.exit === 'fault' && asWanted ? undefined : `${result.exit} after ${retired} instructions`;
    const outcome = this.#outcome(processor, vector, { ending, broken });
    return { ...outcome, translated: engine.translated - before >= 2 };
  }

  #prepare(vector: Vector): Processor {
    const processor = (this.#machines[vector.mode] ??= createMachine(this.#settings, vector.mode));
    const { state, memory } = processor;
    const slot = new Uint8Array(Math.max(vector.code.length, MAX_INSTRUCTION_LENGTH)).fill(
      fillerOf(this.#settings, vector.mode),
    );
    slot.set(vector.code);
    // What was translated stays so.
    if (!isSame(memory.copyOut(HARNESS_MAP.slot, slot.length), slot)) memory.copyIn(HARNESS_MAP.slot, slot);
    memory.copyIn(vector.window, vector.initial.memory);
    loadState(state, vector.initial);
    state.ip = slotOffset(vector.mode);
    state.attention = 0;
    return processor;
  }

  /** One run of the engine. No ending: it is still at the slot. */
  #step(processor: Processor, { budget, start }: { budget: number; start: number }): StepResult {
    const { state } = processor;
    const exit = processor.engine.run(budget);
    const fault = processor.pendingFault;
    processor.pendingFault = undefined;
    if (exit === 'fault') {
      const { vector, errorCode = 0, address } = fault!;
      const where = { ip: BigInt(state.ip), ...(address !== undefined && { address: BigInt(address) }) };
      const broken = budget === 1 && state.budget !== 1 ? 'the instruction that faulted counts as retired' : undefined;
      return { exit, ending: { kind: 'fault', vector, errorCode, ...where }, left: state.budget, broken };
    }
    const broken =
      exit === 'budget' && state.budget !== 0 ? `${state.budget} of ${budget} instructions left` : undefined;
    const ending = state.ip === start ? undefined : ({ kind: 'next', ip: BigInt(state.ip) } as const);
    return { exit, ending, left: state.budget, broken };
  }

  #outcome({ state, memory }: Processor, vector: Vector, { ending, left, broken }: StepResult): Outcome {
    return {
      ...(broken !== undefined && { broken }),
      ...(left !== undefined && { left }),
      ending: ending ?? { kind: 'next', ip: BigInt(state.ip) },
      final: { ...readState(state, vector), memory: memory.copyOut(vector.window, vector.initial.memory.length) },
    };
  }
}

interface StepResult {
  exit?: EngineExit;
  ending?: Ending | undefined;
  left?: number;
  broken?: string | undefined;
}

const runsInBlock = ({ engine }: MachineSettings, mode: VectorMode): boolean => engine === 'jit' && mode === 32;

/** What stands around the instruction. 16-bit code can read it. */
const fillerOf = (settings: MachineSettings, mode: VectorMode): number =>
  runsInBlock(settings, mode) ? INVALID : BREAKPOINT;

const isSame = (one: Uint8Array, other: Uint8Array): boolean => one.every((byte, index) => byte === other[index]);

function isRepeated({ code }: Vector): boolean {
  const last = code.find((byte) => !PREFIXES.has(byte));
  return last !== undefined && REPEAT_PREFIXES.has(last);
}

function createMachine(settings: MachineSettings, mode: VectorMode): Processor {
  const pool = Pool.create();
  const memory = new GuestMemory(pool, { size: 1 << 24 });
  const processor = new Processor({
    name: 'difftest',
    memory,
    ports: { read: () => 0xffff_ffff, write: () => {} },
    clock: new VirtualClock(),
    model: 'x86-64',
    ...settings,
    code: createCodeSpace(pool),
    interrupts: { acknowledge: () => 0 },
  });
  const { state } = processor;
  mapUserPages(memory, mode);
  memory.copyIn(HARNESS_MAP.slotPage, new Uint8Array(PAGE).fill(fillerOf(settings, mode)));
  memory.write(HARNESS_MAP.slot - 1, NOP, 1);
  state.cr3 = TABLES;
  enterUserMode(state, mode);
  processor.mmu.flush('all');
  processor.modeChanged();
  return processor;
}

/** Page tables that map the slot's page and the scratch pages to themselves, and nothing else. */
function mapUserPages(memory: GuestMemory, mode: VectorMode): void {
  const entrySize = mode === 64 ? 8 : 4;
  const indexBits = mode === 64 ? 9 : 10;
  const levels = mode === 64 ? 4 : 2;
  const mask = (1 << indexBits) - 1;
  const first = HARNESS_MAP.slotPage;
  // All pages lie within the reach of one last-level table; table k is at TABLES + k pages.
  for (let level = 0; level < levels - 1; level++) {
    const index = (first / PAGE / 2 ** (indexBits * (levels - 1 - level))) & mask;
    memory.write(TABLES + level * PAGE + index * entrySize, (TABLES + (level + 1) * PAGE) | USER_PAGE, 4);
  }
  const { slotPage, scratch, scratchSize } = HARNESS_MAP;
  const pages: number[] = [slotPage];
  for (let page: number = scratch; page < scratch + scratchSize; page += PAGE) pages.push(page);
  for (const page of pages) {
    const index = (page / PAGE) & mask;
    memory.write(TABLES + (levels - 1) * PAGE + index * entrySize, page | USER_PAGE, 4);
  }
}
