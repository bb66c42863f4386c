import { describe, expect, it } from 'vitest';
import { MODE } from '../../../../src/cpu/mode-key.ts';
import { createCpuState, STATE } from '../../../../src/cpu/state-layout.ts';
import { JUMP_CACHE_SIZE, JumpCache } from '../../../../src/engine/blocks/jump-cache.ts';
import { Pool } from '../../../../src/memory/pool.ts';

function create() {
  const pool = Pool.create();
  const state = createCpuState(pool, pool.allocate(STATE.size + JUMP_CACHE_SIZE, 64));
  return { state, cache: new JumpCache(state), pool };
}

describe('the jump cache', () => {
  it('has a tag for each mode and each half, never 0', () => {
    const { state, cache } = create();
    const tags = [0, MODE.FLAT, MODE.USER, MODE.USER | MODE.FLAT].map((modeKey) => {
      state.modeKey = modeKey;
      cache.select();
      return state.jumpTag;
    });
    expect(new Set(tags).size).toBe(4);
    expect(tags).not.toContain(0);
  });

  it('forgetting user code leaves supervisor code alone', () => {
    const { state, cache } = create();
    state.modeKey = MODE.FLAT;
    cache.select();
    const before = state.jumpTag;
    cache.forget('user');
    expect(state.jumpTag).toBe(before);
    cache.forget('supervisor');
    expect(state.jumpTag).not.toBe(before);
  });

  it('after the last generation, entries of the first do not come to life again', () => {
    const { state, cache, pool } = create();
    state.modeKey = MODE.FLAT;
    cache.select();
    const first = state.jumpTag;
    cache.set(0x1000, 0x4444);
    for (let generation = 0; generation < 2 ** 27 - 2; generation++) cache.forget('supervisor');
    const last = state.jumpTag;
    let eras = 0;
    cache.onNewEra = () => eras++;
    cache.forget('supervisor');
    expect(eras).toBe(1);
    expect(state.jumpTag).toBe(first);
    expect(last).not.toBe(first);
    const from = (state.address + STATE.size) >>> 2;
    expect(pool.views.u32.subarray(from, from + JUMP_CACHE_SIZE / 4).every((word) => word === 0)).toBe(true);
  }, 60_000);
});
