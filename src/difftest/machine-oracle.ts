/** Runs vectors on a real machine of ours: processor, engine, page tables; the scratch pages are all it has. */
import { VirtualClock } from '../base/virtual-clock.ts';
import { createCodeSpace } from '../engine/code-space.ts';
import { type EngineName, Processor } from '../engine/processor.ts';
import { GuestMemory } from '../memory/guest-memory.ts';
import { Pool } from '../memory/pool.ts';
import { HARNESS_MAP } from './host/harness.ts';
import type { Ending, Outcome, Vector } from './vector.ts';
import { enterUserMode, loadState, readState } from './vector-state.ts';

const PAGE = 0x1000;
const TABLES = 0x1000;
const USER_PAGE = 7; // present, writable, user
/** More iterations than any vector's count register asks for. */
const MAXIMUM_ITERATIONS = 64;

export class MachineOracle {
  readonly #engine: EngineName;
  readonly #machines: { 32?: Processor; 64?: Processor } = {};

  constructor(engine: EngineName) {
    this.#engine = engine;
  }

  run(vector: Vector): Outcome {
    const processor = (this.#machines[vector.mode] ??= createMachine(this.#engine, vector.mode));
    const { state, memory } = processor;
    const { initial, window } = vector;
    memory.copyIn(HARNESS_MAP.slot, vector.code);
    memory.copyIn(window, initial.memory);
    loadState(state, initial);
    state.ip = HARNESS_MAP.slot;
    state.attention = 0;
    let ending: Ending | undefined;
    let broken: string | undefined;
    for (let iteration = 0; ending === undefined && iteration < MAXIMUM_ITERATIONS; iteration++) {
      const exit = processor.engine.run(1);
      const fault = processor.pendingFault;
      processor.pendingFault = undefined;
      const left = exit === 'fault' ? 1 : 0;
      if (state.budget !== left) broken ??= `${exit}, and ${state.budget} of 1 instruction left`;
      if (exit === 'fault') {
        const { vector: number, errorCode = 0, address } = fault!;
        ending = {
          kind: 'fault',
          vector: number,
          errorCode,
          ip: BigInt(state.ip),
          ...(address !== undefined && { address: BigInt(address) }),
        };
      } else if (state.ip !== HARNESS_MAP.slot) ending = { kind: 'next', ip: BigInt(state.ip) };
    }
    const size = initial.memory.length;
    return {
      ...(broken !== undefined && { broken }),
      ending: ending ?? { kind: 'next', ip: BigInt(state.ip) },
      final: { ...readState(state, vector), memory: memory.copyOut(window, size) },
    };
  }
}

function createMachine(engine: EngineName, mode: 32 | 64): Processor {
  const pool = Pool.create();
  const memory = new GuestMemory(pool, { size: 1 << 24 });
  const processor = new Processor({
    name: 'difftest',
    memory,
    ports: { read: () => 0xffff_ffff, write: () => {} },
    clock: new VirtualClock(),
    model: 'x86-64',
    engine,
    code: createCodeSpace(pool),
    interrupts: { acknowledge: () => 0 },
  });
  const { state } = processor;
  mapUserPages(memory, mode);
  state.cr3 = TABLES;
  enterUserMode(state, mode);
  processor.mmu.flush('all');
  processor.modeChanged();
  return processor;
}

/** Page tables that map the slot's page and the scratch pages to themselves, and nothing else. */
function mapUserPages(memory: GuestMemory, mode: 32 | 64): void {
  const entrySize = mode / 8;
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
