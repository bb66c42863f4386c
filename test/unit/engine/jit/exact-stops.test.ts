import { expect, it } from 'vitest';
import { assemble } from '../../../../src/isa/assemble.ts';
import { type BareMachine, createBareMachine } from '../../../conformance/engines/bare-machine.ts';
import { describeProcessor } from '../../../conformance/engines/describe-processor.ts';

const CODE = 0x1_0000;
const WARM_UP = 700;
const COUNT = 300;
/** Its ways have different lengths, and it does everything for which a region is left. */
const PROGRAM = `again: mov ecx, 5
  mov edi, 0x20000
  rep stosb
  call routine
  in al, dx
  test ebx, 3
  jz skip
  times 7 inc esi
  skip: dec dword [0x20000]
  pushad
  add esp, 32
  jmp again
  routine: add ebx, 1
  adc ebp, ebx
  jp odd
  lea ebp, [ebp + esi]
  odd: ret`;

const { bytes } = assemble(`bits 32\n${PROGRAM}`, { origin: CODE });

/** Without the count of instructions since it was powered on. */
const stateOf = ({ processor }: BareMachine) => describeProcessor(processor).replace(/^retired \d+/, '');

function create(engine: 'interpreter' | 'jit') {
  const machine = createBareMachine(engine);
  machine.memory.copyIn(CODE, bytes);
  return machine;
}

/** From the beginning, with whatever was translated meanwhile. */
function restart({ processor, enter }: BareMachine): void {
  processor.reset();
  enter(CODE);
  expect(processor.run(WARM_UP).executed).toBe(WARM_UP);
}

it('a run of translated code ends at exactly the count it should, whatever that is', () => {
  const interpreter = create('interpreter');
  restart(interpreter);
  const expected = Array.from({ length: COUNT + 1 }, (_, count) => {
    if (count > 0) interpreter.processor.run(1);
    return stateOf(interpreter);
  });
  interpreter.dispose();
  const machine = create('jit');
  for (let slice = 1; slice <= 64; slice++) {
    restart(machine);
    for (let count = slice; count <= COUNT; count += slice) {
      expect(machine.processor.run(slice).executed).toBe(slice);
      expect({ slice, count, state: stateOf(machine) }).toEqual({ slice, count, state: expected[count] });
    }
  }
  machine.dispose();
});
