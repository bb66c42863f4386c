import { describe, expect, it } from 'vitest';
import { CR4 } from '../../../../src/cpu/register-bits.ts';
import { Random } from '../../../../src/difftest/random.ts';
import type { EngineName } from '../../../../src/engine/engine-name.ts';
import { createBareMachine } from '../../../conformance/engines/bare-machine.ts';

const CODE = 0x2000;
/** FXRSTOR [3000h], FXSAVE [4000h], HLT. */
const PROGRAM = [0x0f, 0xae, 0x0d, 0, 0x30, 0, 0, 0x0f, 0xae, 0x05, 0, 0x40, 0, 0, 0xf4];
const IMAGES = 300;
const MXCSR = 24;

/** Random bytes, most with an MXCSR that may be. */
function randomImage(random: Random): Uint8Array {
  const image = Uint8Array.from({ length: 512 }, () => random.below(256));
  if (!random.oneIn(8)) image.fill(0, MXCSR + 2, MXCSR + 4);
  return image;
}

/** What the program leaves of each image, with OSFXSR on and off. */
function saved(engine: EngineName): string[] {
  const random = new Random(512);
  const machine = createBareMachine(engine);
  const { processor, memory } = machine;
  machine.write(CODE, PROGRAM);
  const results: string[] = [];
  for (let count = 0; count < IMAGES; count++) {
    processor.reset();
    machine.enter(CODE);
    processor.state.cr4 = count & 1 ? CR4.OSFXSR : 0;
    processor.modeChanged();
    // Twice: the first time the pages are not in the TLB.
    for (let turn = 0; turn < 2; turn++) {
      machine.write(0x3000, randomImage(random));
      machine.write(0x4000, new Uint8Array(512));
      processor.state.ip = CODE;
      processor.run(2);
      results.push(`${processor.state.ip} ${processor.stateHash()} ${memory.copyOut(0x4000, 512).join()}`);
    }
  }
  machine.dispose();
  return results;
}

describe('FXRSTOR and FXSAVE in emitted code', () => {
  const expected = saved('reference');
  it.each(['interpreter', 'jit'] as const)('of the %s do what the helpers do, for any image', (engine) => {
    expect(saved(engine)).toEqual(expected);
  });
  it('are met with images of all kinds', () => {
    const refused = expected.filter((result) => !result.startsWith(`${CODE + PROGRAM.length - 1} `));
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.length).toBeLessThan(IMAGES / 4);
    expect(new Set(expected).size).toBe(expected.length);
  });
});
