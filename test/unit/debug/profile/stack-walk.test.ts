import { describe, expect, it } from 'vitest';
import { MOST_FRAMES, walkStack } from '../../../../src/debug/profile/stack-walk.ts';
import { createNestedCalls, label } from '../../../support/nested-calls.ts';

const EBP = 5;

/** Stopped within the inner function. */
function stoppedInside() {
  const pc = createNestedCalls('interpreter');
  pc.breakpoints.add({ address: label('spin') });
  expect(pc.run({ instructions: 1000 }).reason).toBe('breakpoint');
  return pc;
}

const writeWords = ({ memory }: ReturnType<typeof createNestedCalls>, at: number, ...words: number[]) => {
  words.forEach((word, index) => {
    memory.write(at + 4 * index, word, 4);
  });
};

describe('walkStack', () => {
  it('finds who called whom, and changes nothing', () => {
    const pc = stoppedInside();
    const before = pc.stateHash();
    const { user, addresses } = walkStack(pc.processor);
    const [innermost, inOuter, inStart, ...more] = addresses;
    expect([user, innermost, more]).toEqual([false, label('spin'), []]);
    expect(inOuter).toBeGreaterThan(label('outer'));
    expect(inOuter).toBeLessThan(label('inner'));
    expect(inStart).toBeGreaterThan(label('start'));
    expect(inStart).toBeLessThan(label('outer'));
    expect(pc.stateHash()).toBe(before);
    pc.dispose();
  });

  it.each([
    ['nothing is mapped', 0xf000_0000],
    ['no frame can lie', 0x8ffff],
    ['the end of all addresses is', 0xffff_fffc],
    ['no call stands before what would be returned to', 0x5000],
  ])('sees only the innermost frame where %s', (_, ebp) => {
    const pc = stoppedInside();
    pc.processor.state.setReg32(EBP, ebp);
    expect(walkStack(pc.processor).addresses).toEqual([label('spin')]);
    pc.dispose();
  });

  it('ends at a chain that leads back, and at so many frames', () => {
    const pc = stoppedInside();
    const returnsTo = walkStack(pc.processor).addresses[1] + 1;
    writeWords(pc, 0x40000, 0x40000, returnsTo);
    pc.processor.state.setReg32(EBP, 0x40000);
    expect(walkStack(pc.processor).addresses).toEqual([label('spin'), returnsTo - 1]);
    for (let frame = 0; frame < 100; frame++) writeWords(pc, 0x50000 + 8 * frame, 0x50008 + 8 * frame, returnsTo);
    pc.processor.state.setReg32(EBP, 0x50000);
    expect(walkStack(pc.processor).addresses).toHaveLength(MOST_FRAMES);
    pc.dispose();
  });
});
