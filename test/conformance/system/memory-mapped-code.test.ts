/** C4: instructions are fetched from whatever answers at their address. */
import { describe, expect, it } from 'vitest';
import { ENGINES } from '../../../src/engine/processor.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { Pc } from '../../../src/machine/pc.ts';
import { faults, setSegment } from '../../support/system-faults.ts';
import {
  ENABLE_PAGING,
  identityMap,
  LAYOUT,
  runSystem,
  SELECTOR,
  SYSTEM_ENGINES,
  type SystemMachine,
  type SystemOptions,
} from '../../support/system-machine.ts';

const DEVICE = 0x9_0000;

/** A page of bytes behind a device, from DEVICE on, which holds code; `reads` are the offsets read one byte at a time. */
function withDevice(code: string, { at = 0, more = (_: SystemMachine) => {} } = {}) {
  const { bytes } = assemble(`bits 32\n${code}`, { origin: DEVICE + at });
  const content = new Uint8Array(0x1000).fill(0xf4);
  content.set(bytes.subarray(0, 0x1000 - at), at);
  const reads: number[] = [];
  const times: number[] = [];
  const options: SystemOptions = {
    prepare(machine) {
      machine.memory.addMmio(DEVICE, 0x1000, {
        name: 'device',
        readMemory(offset, size) {
          if (size === 1) reads.push(offset);
          times.push(machine.processor.clock.now);
          let value = 0;
          for (let index = size - 1; index >= 0; index--) value = value * 256 + content[offset + index];
          return value;
        },
        writeMemory(offset, value, size) {
          for (let index = 0; index < size; index++) content[offset + index] = value >>> (8 * index);
        },
      });
      // What does not fit goes on in RAM behind it.
      machine.memory.copyIn(DEVICE + 0x1000, bytes.subarray(Math.max(0, 0x1000 - at)));
      more(machine);
    },
  };
  return { options, reads, times };
}

describe.each(SYSTEM_ENGINES)('%s: C4: code in memory-mapped space', (engine) => {
  it('runs, returns, and is read byte by byte as far as each instruction goes', () => {
    const { options, reads } = withDevice('inc ebx\nadd ebx, 0x11223344\nret');
    expect(runSystem(engine, `mov ebx, 1\ncall ${DEVICE}`, options).ebx).toBe(0x1122_3346);
    expect(reads).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('branches in it, loops, conditional and indirect ones', () => {
    const { options } = withDevice(
      'mov ecx, 100\nagain: add ebx, ecx\ndec ecx\njnz again\nmov eax, there\njmp eax\nud2\nthere: call double\nret\ndouble: add ebx, ebx\nret',
    );
    expect(runSystem(engine, `mov ebx, 0\ncall ${DEVICE}`, options).ebx).toBe(10_100);
  });

  it('to and fro between it and RAM, many times', () => {
    const { options } = withDevice('lea ebx, [ebx + ecx]\nret');
    const source = `mov ebx, 0\nmov ecx, 1000\nagain: call ${DEVICE}\nloop again`;
    expect(runSystem(engine, source, options).ebx).toBe(500_500);
  });

  it('what it writes over itself, and what others write, is executed', () => {
    const { options } = withDevice(`mov byte [${DEVICE + 7}], 0x43\nnop\nmov byte [${DEVICE + 7}], 0x4b\nret`);
    // 43: inc ebx; 4B: dec ebx, once it has been there.
    const source = `mov ebx, 10\ncall ${DEVICE}\nmov byte [${DEVICE}], 0xc3\ncall ${DEVICE}`;
    expect(runSystem(engine, source, options).ebx).toBe(11);
  });

  it('a repeated string instruction is fetched anew for each iteration, and may overwrite itself', () => {
    const { options, reads } = withDevice('rep stosb\nret');
    const source = `mov ecx, 5\nmov edi, 0x20000\nmov eax, 0x90\ncall ${DEVICE}
      mov ecx, 5\nmov edi, ${DEVICE}\ncall ${DEVICE}`;
    const result = runSystem(engine, source, options);
    expect(result.read32(0x2_0000)).toBe(0x9090_9090);
    // The second time the prefix is gone after one iteration: NOP, STOSB, of which RET is the victim, …
    expect(reads.slice(0, 11)).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2]);
    expect(result.ecx).toBe(4);
  });

  it.each([
    ['into RAM', 0xffd],
    ['the first byte alone', 0xfff],
  ])('an instruction that crosses from it %s', (_, at) => {
    const { options, reads } = withDevice('mov ebx, 0x12345678\nret', { at });
    expect(runSystem(engine, `call ${DEVICE + at}`, options).ebx).toBe(0x1234_5678);
    expect(reads).toEqual(Array.from({ length: 0x1000 - at }, (_, index) => at + index));
  });

  it('an instruction that crosses into it from RAM; the block before it is decoded again each time', () => {
    const { options, reads } = withDevice('', {
      more(machine) {
        // mov ebx, imm32 with three of its bytes in the device, then RET there
        machine.memory.copyIn(DEVICE - 3, Uint8Array.of(0x40, 0xbb, 0x78));
        for (const [index, byte] of [0x56, 0x34, 0x12, 0xc3].entries()) machine.memory.write(DEVICE + index, byte, 1);
      },
    });
    const source = `mov ecx, 3\nmov eax, 0\nagain: call ${DEVICE - 3}\nmov byte [${DEVICE + 2}], 0x13\nloop again`;
    const result = runSystem(engine, source, options);
    expect([result.ebx, result.eax]).toEqual([0x1334_5678, 3]);
    expect(reads).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('a page that is not there: #PF only if the instruction reaches it', () => {
    const run = (code: string) => {
      const { options } = withDevice(code, {
        at: 0xffe,
        more(machine) {
          identityMap(machine);
          machine.write32(LAYOUT.PAGE_TABLE + ((DEVICE >> 12) + 1) * 4, 0);
        },
      });
      return runSystem(engine, `${ENABLE_PAGING}@try call ${DEVICE + 0xffe}`, options);
    };
    expect(faults(run('inc ebx\nret'))).toEqual([]);
    const result = run('mov eax, 1');
    expect(result.exceptions).toMatchObject([{ vector: 14, cr2: DEVICE + 0x1000, eip: DEVICE + 0xffe }]);
  });

  it('the limit of CS', () => {
    const { options, reads } = withDevice('nop\nmov eax, 0x12345678', {
      more: (machine) => setSegment(machine, SELECTOR.FREE, { base: DEVICE, limit: 3, access: 0x9a, flags: 4 }),
    });
    const result = runSystem(engine, `@try jmp ${SELECTOR.FREE}:0`, options);
    expect(result.exceptions).toMatchObject([{ vector: 13, errorCode: 0, eip: 1, cs: SELECTOR.FREE }]);
    expect(reads).toEqual([0, 1, 2, 3]);
  });

  it.each([
    ['no instruction', 'db 0x0f, 0xff', '#UD'],
    ['one longer than 15 bytes', `db ${Array(15).fill('0x66').join(', ')}, 0x90`, '#GP(0)'],
  ])('%s', (_, code, fault) => {
    const { options } = withDevice(code);
    const result = runSystem(engine, `@try call ${DEVICE}`, options);
    expect(faults(result)).toEqual([fault]);
    expect(result.exceptions[0].eip).toBe(DEVICE);
  });

  it('where nothing answers all bytes are FFh: #UD', () => {
    expect(faults(runSystem(engine, '@try call 0xe0000000'))).toEqual(['#UD']);
  });

  it('an interrupt is taken between two of its instructions', () => {
    const { options } = withDevice('inc ebx\nthere: inc ebx\njmp $');
    const result = runSystem(engine, `mov ebx, 0\n@try sti / jmp ${DEVICE}`, {
      ...options,
      prepare(machine) {
        options.prepare!(machine);
        const { processor } = machine;
        processor.clock.setAlarm(4000, () => processor.intr.set(1));
      },
      acknowledge({ processor }) {
        processor.intr.set(0);
        return 9;
      },
    });
    expect(result.exceptions).toMatchObject([{ vector: 9, eip: DEVICE + 2 }]);
  });

  it('steps and breakpoints are met in it', () => {
    const { options } = withDevice('inc ebx\ninc ebx\nret');
    const source = `mov eax, ${DEVICE + 1}\nmov dr0, eax\nmov eax, 1\nmov dr7, eax\nmov ebx, 0\n@try call ${DEVICE}\nmov eax, 0\nmov dr7, eax`;
    const result = runSystem(engine, source, options);
    expect(result.exceptions).toMatchObject([{ vector: 1, eip: DEVICE + 1 }]);
    expect(result.ebx).toBe(1);
  });
});

it('C4: all engines fetch the same bytes at the same times', () => {
  const seen = SYSTEM_ENGINES.map((engine) => {
    const { options, reads, times } = withDevice(
      'mov ecx, 7\nagain: add ebx, ecx\nloop again\nmov cl, 4\nrep lodsb\nret',
    );
    const result = runSystem(engine, `mov ebx, 0\nmov esi, 0x20000\ncall ${DEVICE}`, options);
    return { reads, times, hash: result.processor.stateHash() };
  });
  expect(seen[0].reads.length).toBeGreaterThan(40);
  expect(seen[1]).toEqual(seen[0]);
});

describe.each(ENGINES)('%s: C4: code in the text window of a PC', (engine) => {
  it('43 43 43 CB at B800:0000, called far: BX = 3', () => {
    const source = `
      bits 16\norg 0x7c00\nxor ax, ax\nmov ss, ax\nmov sp, 0x7000\nmov ax, 0xb800\nmov es, ax
      mov word [es:0], 0x4343\nmov word [es:2], 0xcb43\nxor bx, bx\ncall 0xb800:0\ncli\nhlt`;
    const pc = new Pc({
      name: 'text',
      memoryBytes: 2 ** 20,
      cpu: 'i686',
      engine,
      boot: { pieces: [{ address: 0x7c00, bytes: assemble(source).bytes }], entry: { mode: 'real', ip: 0x7c00 } },
      powerOnTime: 0,
    });
    expect(pc.run({ instructions: 1000 }).reason).toBe('halted');
    expect(pc.processor.state.reg32(3) & 0xffff).toBe(3);
    pc.dispose();
  });
});
