/**
 * The jump cache (`cpu/tlb-layout.ts`) behind a CPU's state block: instruction pointer → block. Emitted code looks blocks
 * up in it; an entry is valid while its tag is `state.jumpTag`.
 *
 * Nothing is searched when code moves in the linear address space: a new generation, of user or of supervisor code,
 * makes all entries of the old one void. A block whose bytes change stays in the cache, but what it leads to looks the
 * code up again.
 */
import type { CodeHalf } from '../../cpu/fetch-tlb.ts';
import { MODE } from '../../cpu/mode-key.ts';
import { type CpuState, STATE } from '../../cpu/state-layout.ts';
import { JUMP_CACHE, JUMP_TAG } from '../../cpu/tlb-layout.ts';

/** Bytes behind the state block. */
export const JUMP_CACHE_SIZE = JUMP_CACHE.ENTRIES << JUMP_CACHE.ENTRY_SHIFT;
const LAST_GENERATION = 2 ** (32 - JUMP_TAG.KEY_BITS) - 1;

export class JumpCache {
  readonly #state: CpuState;
  /** Called when generations begin anew: whoever else remembers tags has to forget them. */
  onNewEra: () => void = () => {};

  constructor(state: CpuState) {
    this.#state = state;
    this.#begin();
  }

  /** Where the code of a half lies, or what its code segment is, has changed. */
  forget(half: CodeHalf): void {
    const state = this.#state;
    const last = half === 'user' ? ++state.userGeneration : ++state.supervisorGeneration;
    if (last > LAST_GENERATION) {
      // Entries as old as the first generation would come to life again.
      const from = (state.address + STATE.size) >>> 2;
      state.pool.views.u32.fill(0, from, from + JUMP_CACHE_SIZE / 4);
      this.#begin();
      this.onNewEra();
    }
    this.select();
  }

  forgetAll(): void {
    this.forget('user');
    this.forget('supervisor');
  }

  /** Must follow a change of the mode key. */
  select(): void {
    const state = this.#state;
    const key = state.modeKey;
    const generation = key & MODE.USER ? state.userGeneration : state.supervisorGeneration;
    state.jumpTag = ((generation << JUMP_TAG.KEY_BITS) | key) >>> 0;
  }

  /** Never 0: that is what an empty entry holds. */
  #begin(): void {
    this.#state.userGeneration = 1;
    this.#state.supervisorGeneration = 1;
  }

  /** Enters a block found by looking it up. */
  set(ip: number, block: number): void {
    const { address, jumpTag, pool } = this.#state;
    const { u32 } = pool.views;
    const slot = ((ip ^ (ip >>> 12)) & (JUMP_CACHE.ENTRIES - 1)) << JUMP_CACHE.ENTRY_SHIFT;
    const at = (address + STATE.size + slot) >>> 2;
    u32[at + JUMP_CACHE.IP / 4] = ip;
    u32[at + JUMP_CACHE.TAG / 4] = jumpTag;
    u32[at + JUMP_CACHE.BLOCK / 4] = block;
    u32[at + JUMP_CACHE.IP_HIGH / 4] = ip / 2 ** 32;
  }
}
