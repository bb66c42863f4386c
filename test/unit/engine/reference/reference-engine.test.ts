import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../../src/base/virtual-clock.ts';
import { refreshSegmentBounds } from '../../../../src/cpu/segmentation.ts';
import { createCodeSpace } from '../../../../src/engine/code-space.ts';
import { Processor } from '../../../../src/engine/processor.ts';
import { assemble } from '../../../../src/isa/assemble.ts';
import { GuestMemory } from '../../../../src/memory/guest-memory.ts';
import { Pool } from '../../../../src/memory/pool.ts';
import { sharedCode } from '../../../support/shared-code.ts';

const ORIGIN = 0x7c00;
const CS = 1;

/** A processor in real-address mode about to run `source` at 0000:7C00. */
function start(source: string): Processor {
  const pool = Pool.create();
  const memory = new GuestMemory(pool, { size: 1 << 20 });
  const processor = new Processor({
    name: 'test',
    memory,
    ports: { read: () => 0xff, write: () => {} },
    clock: new VirtualClock(),
    model: 'i686',
    engine: 'reference',
    code: createCodeSpace(pool, sharedCode()),
    interrupts: { acknowledge: () => 0 },
  });
  memory.copyIn(ORIGIN, assemble(source, { bits: 16, origin: ORIGIN }).bytes);
  const { state } = processor;
  const code = state.segments[CS];
  code.selector = 0;
  code.base = 0;
  refreshSegmentBounds(code);
  state.ip = ORIGIN;
  processor.modeChanged();
  state.attention = 0;
  return processor;
}

describe('the reference engine', () => {
  it('executes exactly as many instructions as the budget says', () => {
    const { engine, state } = start('mov ax, 1\ninc ax\ninc ax\ninc ax');
    expect(engine.run(3)).toBe('budget');
    expect(state.budget).toBe(0);
    expect(state.reg16(0)).toBe(3);
    expect(state.ip).toBe(ORIGIN + 5);
  });

  it('counts every iteration of a repeated string instruction as one', () => {
    const { engine, state } = start('rep stosb\nnop');
    state.setReg16(1, 3);
    state.setReg16(7, 0x500);
    engine.run(2);
    expect([state.reg16(1), state.ip]).toEqual([1, ORIGIN]);
    engine.run(1);
    expect([state.reg16(1), state.ip]).toEqual([0, ORIGIN + 2]);
  });

  it('a repeated string instruction with a count of 0 counts as one and does nothing', () => {
    const { engine, state } = start('rep stosb\nnop');
    state.setReg16(1, 0);
    engine.run(1);
    expect([state.reg16(7), state.ip]).toEqual([0, ORIGIN + 2]);
  });

  it('leaves the instruction pointer and the budget at an instruction that faults', () => {
    const processor = start('nop\nxor bl, bl\ndiv bl\nnop');
    const { engine, state } = processor;
    expect(engine.run(4)).toBe('fault');
    expect(processor.pendingFault?.vector).toBe(0);
    expect([state.budget, state.ip]).toEqual([2, ORIGIN + 3]);
  });

  it('#UD for bytes that are no instruction, #GP for more than 15 of them', () => {
    const undefinedOpcode = start('db 0x0f, 0xff');
    undefinedOpcode.engine.run(1);
    expect(undefinedOpcode.pendingFault?.vector).toBe(6);
    const tooLong = start('times 15 db 0x3e\nnop');
    tooLong.engine.run(1);
    expect(tooLong.pendingFault?.vector).toBe(13);
  });

  it('#GP(0) beyond the limit of the code segment', () => {
    const processor = start('nop');
    processor.state.ip = 0x10000;
    expect(processor.engine.run(1)).toBe('fault');
    expect(processor.pendingFault).toMatchObject({ vector: 13, errorCode: 0 });
    expect(processor.state.budget).toBe(1);
  });

  it('does not fetch once the budget is used up', () => {
    const processor = start('jmp 0xfffe'); // where an instruction would not fit the segment
    expect(processor.engine.run(1)).toBe('budget');
    expect(processor.state.ip).toBe(0xfffe);
  });

  it('executes code that the instruction before has changed', () => {
    const { engine, state } = start('mov byte [target], 0x43\ntarget: inc ax');
    engine.run(2);
    expect([state.reg16(0), state.reg16(3)]).toEqual([0, 1]); // INC BX
  });
});
