/**
 * The interpreter engine: pre-decoded records, executed by a generated wasm loop.
 *
 * Reading order: `record-layout` (what a record is), `block-cache` (how bytes become records), `block-index` (how they
 * are found again), `form-catalog` (which forms exist), `record-lowering` with `hot-lowering` and `cold-lowering` (how a
 * form becomes wasm), `run-module` (the loop), `code-library` (who compiles it all, once), `runtime` (who links it with a
 * pool's memory).
 */
import { PAGE_SIZE } from '../../base/address.ts';
import type { PlainEvent } from '../../cpu/cpu.ts';
import { GuestFault, raise } from '../../cpu/fault.ts';
import type { CodeHalf } from '../../cpu/fetch-tlb.ts';
import { codeSize, MODE } from '../../cpu/mode-key.ts';
import { translateLogical } from '../../cpu/segmentation.ts';
import { STATE } from '../../cpu/state-layout.ts';
import type { Decoder } from '../../isa/decoder.ts';
import { SEGMENT } from '../../isa/semantics.ts';
import type { CodeSource } from '../blocks/block-decoder.ts';
import { CodeWatch } from '../blocks/code-watch.ts';
import { COST, type DispatchedCpu, type Engine, type EngineExit } from '../engine.ts';
import { fetchBytewise } from '../fetch-bytewise.ts';
import { RegionCache } from '../jit/cache/region-cache.ts';
import type { TranslationOptions } from '../jit/translation-options.ts';
import { CountingHost } from '../profile/counting-host.ts';
import type { EngineProfile } from '../profile/engine-profile.ts';
import { Profiler } from '../profile/profiler.ts';
import { BlockCache } from './block-cache.ts';
import { COOL } from './block-index.ts';
import type { HelperCall } from './helper-call.ts';
import { EXIT } from './loop/run-function.ts';
import { ACCESS_CODE } from './memory-functions.ts';
import { RECORD } from './record-layout.ts';
import type { EmittedCodeHost, InterpreterRuntime } from './runtime.ts';

const EXITS: Readonly<Record<number, EngineExit>> = {
  [EXIT.BUDGET]: 'budget',
  [EXIT.ATTENTION]: 'attention',
  [EXIT.FAULT]: 'fault',
};

export class Interpreter implements Engine, EmittedCodeHost {
  readonly name = 'interpreter';
  readonly #cpu: DispatchedCpu;
  readonly #runtime: InterpreterRuntime;
  readonly #decoder: Decoder;
  readonly #blocks: BlockCache;
  readonly #watch: CodeWatch;
  readonly #source: CodeSource & { linear: number; limit: number; stops: ReadonlySet<number> };
  /** A run has begun before a stop: the block there, which is never found but by looking it up, may be entered once. */
  #passesStop = false;
  /** `state.ip` when a helper faulted: a task switch that faults does so in the new task, at its instruction pointer. */
  #faultIp: number | undefined;
  /** A compare that reads a device was about to run fused with a branch: the device must see the compare's own time, and may ask for an interrupt behind it. */
  #alone = false;

  readonly #regions: RegionCache | undefined;
  #profiler: Profiler | undefined;
  /** What emitted code calls. */
  #host: EmittedCodeHost = this;

  /** `translation`: hot code is translated so. */
  constructor(
    cpu: DispatchedCpu,
    { runtime, decoder }: { readonly runtime: InterpreterRuntime; readonly decoder: Decoder },
    translation: TranslationOptions | undefined,
  ) {
    this.#cpu = cpu;
    this.#runtime = runtime;
    this.#decoder = decoder;
    this.#blocks = new BlockCache(cpu.pool, runtime, decoder, (feature) => cpu.model.features.has(feature as never));
    const watch = new CodeWatch(cpu, (page, offset, length) => this.#codeWritten(page, offset, length));
    this.#watch = watch;
    cpu.state.blockTable = this.#blocks.table.address;
    this.#source = {
      linear: 0,
      limit: 0,
      stops: new Set(),
      pageBytes: (page) => {
        // Each decoding of a block begins here.
        cpu.spend(COST.BLOCK);
        return watch.bytes(page);
      },
      watch: (page) => watch.watch(page),
      nextPage() {
        const next = this.linear - (this.linear % PAGE_SIZE) + PAGE_SIZE;
        return Math.floor(cpu.mmu.translateFetch(cpu.state.modeKey & MODE.CODE64 ? next : next >>> 0) / PAGE_SIZE);
      },
    };
    if (translation) {
      const fetchedPage = (page: number, half: CodeHalf) => cpu.mmu.fetchedPage(page, half);
      const parts = {
        pool: cpu.pool,
        runtime,
        blocks: this.#blocks,
        code: this.#source,
        bytes: (page: number) => watch.bytes(page),
        fetchedPage,
        spend: (units: number) => cpu.spend(units),
      };
      const regions = new RegionCache(parts, translation);
      // Regions know nothing of stops.
      this.#blocks.heatFor = (address, modeKey) =>
        this.#source.stops.size > 0 ? COOL : regions.heatFor(address, modeKey);
      this.#blocks.onStale = (blocks) => regions.drop(blocks);
      this.#regions = regions;
      cpu.jumpCache.onNewEra = () => regions.forgetPlaces();
    }
    runtime.prepare();
  }

  run(budget: number): EngineExit {
    const { state } = this.#cpu;
    if (this.#blocks.full) this.#clear();
    this.#runtime.active = this.#host;
    state.budget = budget;
    state.faulted = 0;
    this.#faultIp = undefined;
    this.#alone = false;
    this.#passesStop = this.#source.stops.size > 0 && this.#isStop(state.ip);
    let exit: number;
    try {
      exit = this.#runtime.run(state.address, { wide: (state.modeKey & MODE.CODE64) !== 0 });
    } catch (bug) {
      this.#settle();
      throw bug;
    }
    this.#regions?.maintain(budget - state.budget);
    if (exit === EXIT.FAULT && this.#faultIp !== undefined) state.ip = this.#faultIp;
    state.record = 0;
    state.ahead = 0;
    return this.#alone ? 'alone' : EXITS[exit];
  }

  enterPlainHandler(event: PlainEvent): boolean {
    return this.#runtime.enterPlainHandler(this.#cpu.state.address, event);
  }

  /** After a bug of ours in the middle of a block: points `state.ip` to the instruction and gives back what did not run. */
  #settle(): void {
    const { state, pool } = this.#cpu;
    const { record } = state;
    if (record === 0) return;
    const ip = state.base + pool.views.u16[(record + RECORD.pageOffset) >>> 1];
    state.ip = state.modeKey & MODE.CODE64 ? ip : ip >>> 0;
    // Behind it, `ahead` instructions were taken from the budget with it.
    state.budget += state.ahead + pool.views.u8[record + RECORD.count];
    state.record = 0;
    state.ahead = 0;
  }

  stopBefore(offsets: ReadonlySet<number>): void {
    this.#source.stops = offsets;
    this.#clear();
  }

  get refusal(): string | undefined {
    return this.#regions?.refusal;
  }

  get translated(): number {
    return this.#regions?.retired ?? 0;
  }

  startProfile(now: (() => number) | undefined): void {
    const profiler = new Profiler(now);
    this.#profiler = profiler;
    this.#host = new CountingHost(this, profiler);
    if (this.#regions) this.#regions.profiler = profiler;
  }

  get profile(): EngineProfile | undefined {
    const profiler = this.#profiler;
    if (!profiler) return undefined;
    return {
      helpers: Object.fromEntries(profiler.helpers),
      calls: { ...profiler.calls },
      decodedBlocks: this.#blocks.built,
      translation: this.#regions?.profile(profiler),
    };
  }

  dispose(): void {
    this.#regions?.clear();
    this.#blocks.dispose();
    // Compiled code holds the pool's memory, and who keeps the processor keeps this.
    this.#cpu.jumpCache.onNewEra = () => {};
  }

  #isStop(ip: number): boolean {
    const { state } = this.#cpu;
    const base = state.modeKey & MODE.CODE64 ? 0 : state.segments[SEGMENT.CS].base;
    return this.#source.stops.has((base + ip) % PAGE_SIZE);
  }

  // Called by emitted code --------------------------------------------------------------------------------------

  /** Records of the block at `state.nextIp`, entered in jump cache and block table; 0 if the fetch faults, or the dispatcher must look first. */
  lookUp(): number {
    const { state } = this.#cpu;
    state.record = 0;
    state.ahead = 0;
    // Code that never calls anything is decoded without end, too: between two blocks the dispatcher may look.
    if (this.#blocks.full || state.attention) return 0;
    const ip = state.nextIp;
    // No link and no place in the jump cache leads to a block before a stop: here is where it is met.
    const stop = this.#source.stops.size > 0 && this.#isStop(ip);
    if (stop && !this.#passesStop) return 0;
    this.#passesStop = false;
    try {
      const block = this.#blocks.find(this.#locate(ip), state.modeKey, this.#source);
      if (block === 0) return this.#uncached();
      if (!stop) {
        this.#cpu.jumpCache.set(ip, block);
        this.#blocks.publish(block);
      }
      return block;
    } catch (thrown) {
      this.#fault(thrown);
      return 0;
    }
  }

  /** A block is hot. @returns host address of the entry of its region, 0: it is to be interpreted */
  translate(block: number): number {
    const { state, pool } = this.#cpu;
    // Nothing of the block is taken from the budget yet: whatever goes wrong here, this is where the processor stands.
    state.record = 0;
    state.ip = (state.base + pool.views.u16[(block + RECORD.pageOffset) >>> 1]) >>> 0;
    if (this.#regions && this.#source.stops.size === 0) {
      return this.#regions.translate(block, { base: state.base, user: (state.modeKey & MODE.USER) !== 0 });
    }
    // It has counted down all the way.
    this.#blocks.index.setRegion(block, { region: 0, heat: COOL });
    return 0;
  }

  partial(record: number, budget: number): number {
    return this.#blocks.partial(record, budget, this.#source);
  }

  slow(access: number): void {
    const { state } = this.#cpu;
    this.#cpu.spend(COST.MEMORY_CALL);
    try {
      if (this.#isFusedWithDevice(state.scratchAddress, access & 0xff)) {
        this.#alone = true;
        state.faulted = 1;
        return;
      }
      this.#access(state.scratchAddress, access);
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  slowSegment(segment: number, offset: number, access: number): void {
    const { state } = this.#cpu;
    const index = (segment - state.address - STATE.segments) / 32;
    const size = access & 0xff;
    this.#cpu.spend(COST.MEMORY_CALL);
    try {
      this.#access(translateLogical(this.#cpu, index, offset, size, access & ~0xff ? 'write' : 'read'), access);
    } catch (thrown) {
      this.#fault(thrown);
    }
  }

  raise(vector: number, errorCode: number, cause: string): void {
    this.#fault(new GuestFault({ vector, ...(errorCode >= 0 && { errorCode }), cause: { check: cause } }));
  }

  /** @returns whether it faulted */
  callHelper({ call, resultWidths }: HelperCall): boolean {
    this.#cpu.spend(COST.HELPER);
    try {
      const answer = call(this.#cpu);
      if (resultWidths.length > 0) this.#results(answer!, resultWidths);
      return false;
    } catch (thrown) {
      const faulted = this.#fault(thrown);
      if (faulted) this.#faultIp = this.#cpu.state.ip;
      return faulted;
    }
  }

  #results(answer: number | bigint | readonly (number | bigint)[], widths: readonly number[]): void {
    const { state, pool } = this.#cpu;
    const to = state.address + STATE.helperResults;
    const values = Array.isArray(answer) ? (answer as readonly (number | bigint)[]) : [answer as number | bigint];
    widths.forEach((width, index) => {
      const value = values[index];
      if (width === 64) pool.views.u64[(to >>> 3) + index] = BigInt(value);
      else pool.views.u32[(to >>> 2) + 2 * index] = Number(value);
    });
  }

  // -------------------------------------------------------------------------------------------------------------

  #access(address: number, access: number): void {
    const { state, mmu, pool } = this.#cpu;
    const size = (access & 0xff) as 1 | 2 | 4 | 8;
    // Of what is not wider, the lower half: a BigInt for each access would cost.
    const scratch = (state.address + STATE.fields.scratch) >>> 2;
    if (access & ACCESS_CODE.store) {
      if (size === 8) mmu.write64(address, state.scratch, 'current');
      else {
        const value = pool.views.u32[scratch];
        mmu.write(address, size === 4 ? value | 0 : value & (2 ** (8 * size) - 1), size, 'current');
      }
      return;
    }
    if (access & ACCESS_CODE.modify) mmu.probeWrite(address, size, 'current');
    if (size === 8) state.scratch = mmu.read64(address, 'current');
    else {
      const value = mmu.read(address, size, 'current');
      const { u32 } = pool.views;
      u32[scratch] = value;
      u32[scratch + 1] = 0;
    }
  }

  /** Whether the running record is two instructions of which the first reads what no frame backs. */
  #isFusedWithDevice(address: number, size: number): boolean {
    const { state, mmu, pool } = this.#cpu;
    if (pool.views.u8[state.record + RECORD.count] !== 2) return false;
    mmu.probeRead(address, size, 'current');
    const last = state.modeKey & MODE.CODE64 ? address + size - 1 : (address + size - 1) >>> 0;
    return mmu.hostAddress(address, 1, 'read') === 0 || mmu.hostAddress(last, 1, 'read') === 0;
  }

  /** Keeps a guest's fault for the dispatcher; anything else is a bug of ours and goes on. @returns true: it faulted */
  #fault(thrown: unknown): boolean {
    if (!(thrown instanceof GuestFault)) throw thrown;
    if (thrown.kind === 'trap') {
      this.#cpu.pendTrap(thrown);
      return false;
    }
    this.#cpu.pendingFault = thrown;
    this.#cpu.state.faulted = 1;
    return true;
  }

  /** The record of an instruction that no frame backs, at the place of the source: good for one execution. */
  #uncached(): number {
    const { state, memory, mmu } = this.#cpu;
    const mode = codeSize(state.modeKey);
    const { linear, limit } = this.#source;
    const byteAt = (index: number) => {
      const at = linear + index;
      return memory.read(mmu.translateFetch(mode === 64 ? at : at >>> 0), 1);
    };
    this.#cpu.spend(COST.BLOCK);
    const bytes = fetchBytewise(this.#decoder, { mode, available: limit, byteAt });
    const { record, repeats } = this.#blocks.lone(bytes, state.modeKey);
    // Each iteration is fetched anew.
    if (repeats) this.#cpu.attend();
    return record;
  }

  /** Physical address of code at an offset in CS; throws #GP(0) beyond the limit, #PF. Points the source there. */
  #locate(ip: number): number {
    const { state, mmu } = this.#cpu;
    const code = state.segments[SEGMENT.CS];
    const source = this.#source;
    if (state.modeKey & MODE.CODE64) {
      source.linear = ip;
      source.limit = Number.POSITIVE_INFINITY;
    } else {
      if (ip > code.limit) {
        throw raise.GP(0, {
          check: 'instruction pointer beyond the code segment limit',
          on: { ip, limit: code.limit },
        });
      }
      source.linear = (code.base + ip) >>> 0;
      source.limit = code.limit - ip + 1;
    }
    return mmu.translateFetch(source.linear);
  }

  #codeWritten(page: number, offset: number, length: number): void {
    if (this.#blocks.invalidate(page, offset, length)) {
      this.#cpu.spend(COST.CODE_WRITTEN);
      // A repeated string instruction that overwrites itself stops between two iterations and is fetched anew.
      this.#cpu.attend();
    }
    if (this.#blocks.releasedPages(page)) this.#watch.unwatch(page);
  }

  #clear(): void {
    this.#regions?.clear();
    for (const page of this.#blocks.clear()) this.#watch.unwatch(page);
    this.#cpu.jumpCache.forgetAll();
  }
}
