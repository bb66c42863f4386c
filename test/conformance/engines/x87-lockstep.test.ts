import { describe, expect, it } from 'vitest';
import { STATE } from '../../../src/cpu/state-layout.ts';
import type { EngineName } from '../../../src/engine/processor.ts';
import { X87_OPERATIONS, type X87Operation } from '../../support/x87-operations.ts';
import { X87Vector } from '../../support/x87-vector.ts';
import { type BareMachine, createBareMachine } from './bare-machine.ts';

const CODE = 0x10_0000;
const OPERAND = 0x9000;
const [EAX, ESI] = [0, 6];
const NUMERIC_ERROR = 0x20;
const VECTORS = 60;
/** What an x87 instruction may change in the state block. */
const FIELDS = ['ip', 'fcw', 'fsw', 'ftw', 'fop', 'fip', 'fdp', 'fcs', 'fds', 'flagsOther'] as const;

/** What follows an instruction is not part of its region. */
const BEHIND = [0x0f, 0x0b];

function start(engine: EngineName, { code }: X87Operation): BareMachine {
  const machine = createBareMachine(engine, { memory: 2 * 2 ** 20 });
  machine.write(CODE, [...code, ...BEHIND]);
  machine.enter(CODE);
  machine.processor.state.cr0 |= NUMERIC_ERROR;
  machine.processor.modeChanged();
  return machine;
}

/** One instruction on a state of the FPU; what is left of it, as text. */
function step({ processor, memory, write }: BareMachine, vector: X87Vector): string {
  const { state } = processor;
  state.ip = CODE;
  state.fcw = vector.control;
  state.fsw = vector.status;
  state.ftw = 0;
  for (let register = 0; register < 8; register++) {
    if (((vector.full >> register) & 1) === 0) state.ftw |= 3 << (2 * register);
  }
  const { u32, u64 } = state.pool.views;
  for (let index = 0; index < 8; index++) {
    const at = (state.address + STATE.x87 + ((vector.top + index) & 7) * 16) >>> 2;
    u32[at] = vector.low[index];
    u32[at + 1] = vector.high[index];
    u32[at + 2] = vector.head[index];
  }
  for (const field of ['fop', 'fip', 'fdp', 'fcs', 'fds'] as const) state[field] = 0;
  state.flagResult = BigInt(vector.condition);
  state.flagCarries = 0;
  state.setReg32(ESI, OPERAND);
  state.setReg32(EAX, 0);
  write(OPERAND, new Uint8Array(vector.memory.buffer));
  processor.run(1);
  const registers = Array.from({ length: 16 }, (_, half) => u64[(state.address + STATE.x87) / 8 + half].toString(16));
  const bytes = Array.from({ length: 16 }, (_, byte) => memory.read(OPERAND + byte, 1));
  const flags = [state.flagResult === 0n, state.flagCarries, state.reg32(EAX)];
  return [...FIELDS.map((field) => `${field} ${state[field].toString(16)}`), ...registers, ...bytes, ...flags].join(
    ' ',
  );
}

describe('each x87 instruction on all engines, from the same random states', () => {
  it.each(X87_OPERATIONS)('$name', (operation) => {
    const machines = (['reference', 'interpreter', 'jit'] as const).map((engine) => start(engine, operation));
    const vector = new X87Vector(operation.code[0] * 256 + operation.code[1] + 7);
    for (let count = 0; count < VECTORS; count++) {
      vector.next();
      const [expected, ...found] = machines.map((machine) => step(machine, vector));
      expect(found).toEqual(found.map(() => expected));
      expect(expected).toContain(`ip ${(CODE + operation.code.length).toString(16)}`);
    }
    for (const machine of machines) machine.dispose();
  });
});
