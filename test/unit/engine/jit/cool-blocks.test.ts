/** Blocks that are not to be translated, when their count of entries has come to its end all the same. */
import { describe, expect, it } from 'vitest';
import { STATE } from '../../../../src/cpu/state-layout.ts';
import { JUMP_CACHE } from '../../../../src/cpu/tlb-layout.ts';
import { BEFORE_BLOCK } from '../../../../src/engine/interpreter/block-index.ts';
import { type BareMachine, createBareMachine } from '../../../conformance/engines/bare-machine.ts';

const CODE = 0x2000;
/** INC EAX (in 16-bit code: AX), and back. */
const LOOP = [0x40, 0xeb, 0xfd];
const EAX = 0;

/** As if all blocks in the jump cache had been entered 2^32 − 1 times. */
function countDown({ processor }: BareMachine): void {
  const { u32 } = processor.pool.views;
  const { address, jumpTag } = processor.state;
  let blocks = 0;
  for (let entry = 0; entry < JUMP_CACHE.ENTRIES; entry++) {
    const at = (address + STATE.size + (entry << JUMP_CACHE.ENTRY_SHIFT)) >>> 2;
    const block = u32[at + JUMP_CACHE.BLOCK / 4];
    if (u32[at + JUMP_CACHE.TAG / 4] !== jumpTag || block === 0) continue;
    u32[(block - BEFORE_BLOCK.HEAT) >>> 2] = 0;
    blocks++;
  }
  expect(blocks).toBeGreaterThan(0);
}

function runCountedDown(machine: BareMachine): void {
  machine.write(CODE, LOOP);
  expect(machine.processor.run(100)).toMatchObject({ executed: 100, reason: 'budget' });
  countDown(machine);
  expect(machine.processor.run(1000)).toMatchObject({ executed: 1000, reason: 'budget' });
  expect(machine.processor.state.reg32(EAX)).toBe(550);
  expect(machine.processor.engine.translated).toBe(0);
}

describe('a block that has counted down all the way', () => {
  it('is interpreted where nothing is translated', () => {
    const machine = createBareMachine('interpreter');
    machine.enter(CODE);
    runCountedDown(machine);
    machine.dispose();
  });

  it('is interpreted in 16-bit code', () => {
    const machine = createBareMachine('jit');
    machine.enterReal(CODE);
    runCountedDown(machine);
    machine.dispose();
  });

  it('is interpreted while there are breakpoints, which are met', () => {
    const machine = createBareMachine('jit');
    machine.enter(CODE);
    machine.processor.breakpoints.add({ kind: 'execute', address: 0x9100, length: 1 });
    runCountedDown(machine);
    machine.processor.breakpoints.add({ kind: 'execute', address: CODE + 1, length: 1 });
    expect(machine.processor.run(1000).reason).toBe('breakpoint');
    machine.dispose();
  });
});

describe('a compare whose access misses each time', () => {
  /** CMP [2FFEh], EAX across two pages, JNE over a NOP, INC EBX, and back. */
  const program = [0x39, 0x05, 0xfe, 0x2f, 0, 0, 0x75, 0x01, 0x90, 0x43, 0xeb, 0xf4];

  it('counts as one instruction, though the interpreter does the branch with it', () => {
    const settings = { translation: { threshold: 3, lookAfter: 3000 } } as const;
    const machines = [createBareMachine('interpreter'), createBareMachine('jit', { settings })];
    for (const machine of machines) {
      machine.write(CODE, program);
      machine.enter(CODE);
    }
    for (let round = 0; round < 60; round++) {
      const [expected, found] = machines.map(({ processor }) => {
        processor.run(601);
        return [processor.retired, processor.state.ip, processor.state.reg32(3), processor.stateHash()];
      });
      expect(found).toEqual(expected);
    }
    for (const machine of machines) machine.dispose();
  });
});
