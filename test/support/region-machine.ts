/** A region by itself: compiled and entered as the interpreter's loop would, with whatever is called played by the test. */
import { PAGE_SIZE } from '../../src/base/address.ts';
import type { CpuState } from '../../src/cpu/state-layout.ts';
import { REGION_EXIT } from '../../src/engine/blocks/region-entry.ts';
import { STATUS } from '../../src/engine/interpreter/cold-lowering.ts';
import { RECORD, RECORD_SIZE } from '../../src/engine/interpreter/record-layout.ts';
import { LiveRegion } from '../../src/engine/jit/cache/live-region.ts';
import type { Region } from '../../src/engine/jit/finder/region.ts';
import type { RegionExit } from '../../src/engine/jit/lowering/region-exits.ts';
import { lowerRegion } from '../../src/engine/jit/lowering/region-lowering.ts';
import { RegionModule, regionExport } from '../../src/engine/jit/lowering/region-module.ts';
import { type BareMachine, createBareMachine } from '../conformance/engines/bare-machine.ts';
import { CODE_BASE, RegionCode, type RegionCodeOptions } from './region-code.ts';

export interface RegionRun {
  /** See `GO_ON`. */
  readonly goOn: number;
  /** Undefined: by a computed address, or not at all. */
  readonly exit: RegionExit | undefined;
  readonly retired: number;
}

export class RegionMachine {
  readonly code: RegionCode;
  readonly region: Region;
  readonly live: LiveRegion;
  readonly machine: BareMachine;
  readonly state: CpuState;
  /** Does a record's instruction: as `callCold`. */
  interpret: (record: number) => number = () => STATUS.NEXT;
  readonly #records: number;
  readonly #compiled: (state: number, entry: number) => number;

  /** The region from the label `start`. The code lies in memory, nothing of it has run. */
  constructor(source: string, options?: RegionCodeOptions) {
    const code = new RegionCode(source, options);
    this.code = code;
    this.region = code.region('start');
    this.machine = createBareMachine('interpreter');
    const { processor, memory } = this.machine;
    this.state = processor.state;
    memory.copyIn(CODE_BASE, code.bytes);
    this.machine.enter(code.address('start'));
    const { pool } = processor;
    const module = new RegionModule({ maximumPages: 65536, chained: false });
    const lowered = lowerRegion(this.region, module);
    const bytes = module.finish([{ ...lowered, name: 'tested' }]);
    const callCold = (_: number, record: number) => this.interpret(record >>> 0);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      host: { memory: pool.memory, callCold },
    });
    const compiled = exports[regionExport(0)] as (state: number, entry: number) => number;
    this.#compiled = compiled;
    this.#records = pool.allocate(code.bytes.length * RECORD_SIZE);
    for (const { instructions } of this.region.blocks) {
      for (const { offset, length } of instructions) pool.views.u8[this.recordOf(offset) + RECORD.length] = length;
    }
    const { pages, traces, entries, jumps } = this.region;
    this.live = new LiveRegion(
      pool,
      {
        compiled,
        size: 'full',
        exits: lowered.exits,
        jumps,
        calls: new Set(),
        instructions: 0,
        pages: pages.map(({ offset }) => offset),
        traces: traces.map((trace) => ({ ...trace, bytes: new Uint8Array(trace.length) })),
        entries: entries.map(({ trace }) => trace),
      },
      {
        origin: { physical: CODE_BASE, linear: CODE_BASE, user: false },
        pages: pages.map(({ offset }) => (code.base + offset) / PAGE_SIZE),
        blocks: traces.map(({ offset }) => this.recordOf(offset)),
        recordAt: (_, offset) => this.recordOf(offset),
      },
      1,
    );
    for (const { offset } of pages) processor.mmu.translateFetch(code.base + offset);
  }

  /** Host address of the record of an instruction. */
  recordOf(offset: number): number {
    return this.#records + (offset + this.code.base - CODE_BASE) * RECORD_SIZE;
  }

  /** A word of an exit: see `REGION_EXIT`. */
  exitField(exit: RegionExit, field: keyof typeof REGION_EXIT): number {
    return this.exitAt(exit) + REGION_EXIT[field];
  }

  /** Host address of an exit. */
  exitAt(exit: RegionExit): number {
    return this.live.exitAt(this.live.translation.exits.indexOf(exit));
  }

  /** Enters it with a budget. */
  run(budget: number, selector = 0): RegionRun {
    const { state, live, region } = this;
    state.budget = budget;
    state.attention = 0;
    // Whatever ran before.
    state.ahead = 77;
    state.record = 1;
    const { trace } = region.entries[selector];
    state.base = this.code.base + Math.floor(region.traces[trace].offset / PAGE_SIZE) * PAGE_SIZE;
    const before = live.taken;
    const goOn = this.#compiled(state.address, live.entryAt(selector)) >>> 0;
    const index = live.taken.findIndex((count, exit) => count !== before[exit]);
    return { goOn, exit: live.translation.exits[index], retired: budget - state.budget };
  }

  dispose(): void {
    this.machine.dispose();
  }
}
