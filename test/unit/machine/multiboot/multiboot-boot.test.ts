import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../src/base/errors.ts';
import { kernelBoot } from '../../../../src/machine/kernel-boot.ts';
import { multibootBoot } from '../../../../src/machine/multiboot/multiboot-boot.ts';
import { Pc } from '../../../../src/machine/pc.ts';
import { createBzImage } from '../../../support/bz-image.ts';
import { createExecutable } from '../../../support/elf-file.ts';
import {
  createFlatKernel,
  elfText,
  KERNEL_AT,
  type KernelOptions,
  readInformation,
  STARTED_WITH,
} from '../../../support/multiboot-kernel.ts';
import { sharedCode } from '../../../support/shared-code.ts';

const MIB = 2 ** 20;
type Options = Partial<Parameters<typeof multibootBoot>[0]>;
const boot = (options: Options = {}) =>
  multibootBoot({ kernel: createFlatKernel(), commandLine: '', memoryBytes: 16 * MIB, ...options });

function createPc(options: Options = {}, engine: 'interpreter' | 'jit' | 'reference' = 'interpreter'): Pc {
  const { memoryBytes = 16 * MIB } = options;
  return new Pc({
    code: sharedCode(),
    name: 'test',
    memoryBytes,
    cpu: 'i686',
    engine,
    boot: boot(options),
    powerOnTime: 0,
  });
}

/** Runs the kernel that stores what it was started with. */
function start(options: Options = {}, engine?: 'interpreter' | 'jit' | 'reference') {
  const pc = createPc(options, engine);
  expect(pc.run({ instructions: 1000 }).reason).toBe('halted');
  const [eax, ebx, cr0, eflags, cs, ds, ss] = Array.from({ length: 7 }, (_, index) =>
    pc.memory.read(STARTED_WITH + 4 * index, 4),
  );
  return { pc, eax, ebx, cr0, eflags, cs, ds, ss, information: readInformation(pc, ebx) };
}

const elf = (options?: KernelOptions) =>
  createExecutable(KERNEL_AT, [{ physical: KERNEL_AT, bytes: elfText(options) }]);

describe.each(['interpreter', 'jit', 'reference'] as const)('the machine state, on the %s', (engine) => {
  it.each([
    ['ELF', elf()],
    ['address fields', createFlatKernel()],
  ])('%s: EAX has the magic number, EBX the information; protected mode, paging and interrupts off', (_, kernel) => {
    const { pc, eax, cr0, eflags, cs, ds, ss } = start({ kernel }, engine);
    expect(eax).toBe(0x2bad_b002);
    expect([cr0 & 1, cr0 >>> 31]).toEqual([1, 0]);
    expect(eflags & 0x2_0200).toBe(0); // IF and VM
    const { state } = pc.processor;
    for (const segment of [0, 1, 2, 3, 4, 5])
      expect(state.segments[segment]).toMatchObject({ base: 0, limit: 0xffff_ffff });
    expect([cs, ds, ss]).toEqual([0x10, 0x18, 0x18]);
  });

  it('A20 is open, and the selectors can be loaded again', () => {
    const source = `
      mov esp, 0x210000
      mov eax, 0x18
      mov ds, ax
      mov ss, ax
      jmp 0x10:next
      next:
      mov dword [0x300000], 1
      mov dword [0x200000], 2
      mov ebx, [0x300000]
      hlt`;
    const pc = createPc({ kernel: createFlatKernel({ source }) }, engine);
    expect(pc.run({ instructions: 100 }).reason).toBe('halted');
    expect(pc.processor.state.reg32(3)).toBe(1);
  });
});

describe('the information', () => {
  it.each([1, 4, 16, 64, 512])('with %i MiB: map, mem_lower and mem_upper agree', (mebibytes) => {
    // With 1 MiB there is none at 1 MiB: the kernel is below.
    const low = createExecutable(0x2_0000, [{ physical: 0x2_0000, bytes: elfText({ source: 'hlt' }, 0x2_0000) }]);
    const kernel = mebibytes === 1 ? low : createFlatKernel();
    const pc = createPc({ kernel, memoryBytes: mebibytes * MIB });
    const information = readInformation(pc, pc.processor.state.reg32(3));
    expect(information.map).toEqual([
      [0, 0x9_fc00, 1],
      [0x9_fc00, 0x400, 2],
      [0xf_0000, 0x1_0000, 2],
      ...(mebibytes > 1 ? [[MIB, (mebibytes - 1) * MIB, 1]] : []),
    ]);
    expect([information.lower, information.upper]).toEqual([639, (mebibytes - 1) * 1024]);
    pc.dispose();
  });

  it('says which fields are valid, who loaded it, and what the screen is: EGA text, 80 by 25', () => {
    const { information } = start({ commandLine: 'console=com0 -s' });
    expect(information).toMatchObject({
      flags: 0x124d,
      loader: 'Vetro',
      commandLine: 'console=com0 -s',
      modules: [],
      screen: [0xb_8000, 0, 160, 80, 25, 16, 2],
    });
  });

  it('lies in conventional memory; behind the kernel, where that is full', () => {
    expect(start().ebx).toBeGreaterThan(0x9_0000);
    const segments = [
      { physical: KERNEL_AT, bytes: elfText() },
      { physical: 0x1000, bytes: new Uint8Array(), memorySize: 0x9_ec00 },
    ];
    const { ebx, information } = start({ kernel: createExecutable(KERNEL_AT, segments), commandLine: 'x' });
    expect(ebx).toBeGreaterThanOrEqual(KERNEL_AT + elfText().length);
    expect(ebx).toBeLessThan(KERNEL_AT + 0x1000);
    expect(information.commandLine).toBe('x');
  });

  it('with a command line as long as conventional memory', () => {
    const commandLine = 'long '.repeat(140_000);
    expect(start({ commandLine }).information.commandLine).toBe(commandLine);
  });
});

describe('modules', () => {
  const modules = [
    { image: Uint8Array.of(1, 2, 3), commandLine: 'ext2fs --root' },
    { image: new Uint8Array(5000).fill(7) },
    { image: Uint8Array.of(9), commandLine: 'ä' },
  ];

  it('lie behind the kernel, each at a page border, with their strings', () => {
    const { information, pc } = start({ modules });
    expect(information.modules).toEqual([
      { first: 0x10_1000, end: 0x10_1003, commandLine: 'ext2fs --root' },
      { first: 0x10_2000, end: 0x10_3388, commandLine: '' },
      { first: 0x10_4000, end: 0x10_4001, commandLine: 'Ã¤' },
    ]);
    for (const [index, { first, end }] of information.modules.entries())
      expect(pc.memory.copyOut(first, end - first)).toEqual(modules[index].image);
  });

  it('lie behind what the kernel clears', () => {
    const kernel = createFlatKernel({ addresses: { bssEnd: `${KERNEL_AT + 3 * MIB}` } });
    expect(start({ kernel, modules }).information.modules[0].first).toBe(KERNEL_AT + 3 * MIB);
  });

  it('lie before the kernel, if there is no room behind it', () => {
    const at = 12 * MIB;
    const kernel = createExecutable(at, [{ physical: at, bytes: elfText({}, at) }]);
    const large = [{ image: new Uint8Array(5 * MIB) }];
    expect(start({ kernel, modules: large }).information.modules[0].first).toBe(MIB);
  });

  it('that do not fit are refused', () => {
    const large = { image: new Uint8Array(10 * MIB) };
    expect(() => boot({ modules: [large] })).not.toThrow();
    expect(() => boot({ modules: [large, large] })).toThrow(
      new UserError('the 2. module (10 MiB) does not fit into 16 MiB of memory next to the kernel'),
    );
    expect(() => boot({ modules: [{ image: new Uint8Array(16 * MIB) }] })).toThrow(
      /^the module \(16 MiB\) does not fit/,
    );
  });
});

describe('the kernel', () => {
  it('its header is found wherever it is in the first 8192 bytes', () => {
    expect(start({ kernel: createFlatKernel({ before: 8192 - 32 }) }).eax).toBe(0x2bad_b002);
    expect(() => start({ kernel: createFlatKernel({ before: 8192 - 8 }) })).toThrow(
      'the kernel has no Multiboot header',
    );
  });

  it('a corrupt header before a sound one does not count', () => {
    const source = createFlatKernel({ source: 'hlt' });
    const both = new Uint8Array(64 + source.length);
    both.set(Uint8Array.of(0x02, 0xb0, 0xad, 0x1b, 1, 2, 3, 4, 5, 6, 7, 8), 16);
    both.set(source, 64);
    expect(boot({ kernel: both }).entry).toMatchObject({ eip: KERNEL_AT + 32 });
  });

  it('an ELF file: each segment at its physical address, with zeros behind it', () => {
    const segments = [
      { physical: 0x40_0000, bytes: Uint8Array.of(5, 6, 7), memorySize: 0x3000 },
      { physical: KERNEL_AT, virtual: 0xc010_0000, bytes: elfText() },
      { physical: 0, bytes: Uint8Array.of(1), type: 4 },
    ];
    const { pc } = start({ kernel: createExecutable(KERNEL_AT, segments) });
    expect([...pc.memory.copyOut(0x40_0000, 4)]).toEqual([5, 6, 7, 0]);
    expect(pc.memory.read(0, 1)).toBe(0);
  });

  it('its entry may be a virtual address', () => {
    const segments = [{ physical: KERNEL_AT, virtual: 0xc010_0000, bytes: elfText() }];
    expect(boot({ kernel: createExecutable(0xc010_0000, segments) }).entry).toMatchObject({ eip: KERNEL_AT });
  });

  it('address fields: load_end_addr and bss_end_addr', () => {
    const addresses = { loadEnd: 'end', bssEnd: `${KERNEL_AT + 0x2000}` };
    const source = 'mov eax, [end]\nhlt\nend: dd 5';
    const pc = createPc({ kernel: createFlatKernel({ source, addresses }) });
    pc.run({ instructions: 10 });
    expect(pc.processor.state.reg32(0)).toBe(0);
  });

  it('wishes for aligned modules, memory and a video mode are met, those that a loader need not know are ignored', () => {
    expect(start({ kernel: createFlatKernel({ flags: 0x7fff_0007 }) }).eax).toBe(0x2bad_b002);
  });
});

describe('a reset', () => {
  it('brings kernel, zeros, modules and information back, and nothing else', () => {
    const bss = 0x10_0800;
    const source = `
      inc dword [${STARTED_WITH}]
      mov dword [entry + 16], 0x12345678
      mov dword [${bss}], 5
      mov dword [0x101000], 6
      mov byte [ebx], 7
      cli
      hlt`;
    const addresses = { bssEnd: `${KERNEL_AT + 0x1000}` };
    const kernel = createFlatKernel({ source, addresses });
    const modules = [{ image: Uint8Array.of(1) }];
    const pc = createPc({ kernel, modules });
    const before = pc.memory.copyOut(KERNEL_AT, 0x1000);
    const information = readInformation(pc, pc.processor.state.reg32(3));
    expect(information.modules[0].first).toBe(0x10_1000);
    for (const round of [1, 2, 3]) {
      pc.run({ instructions: 100 });
      expect(pc.memory.copyOut(KERNEL_AT, 0x1000)).not.toEqual(before);
      pc.reset();
      expect(pc.memory.copyOut(KERNEL_AT, 0x1000)).toEqual(before);
      expect(pc.memory.read(0x10_1000, 1)).toBe(1);
      const { state } = pc.processor;
      expect([state.reg32(0), state.ip]).toEqual([0x2bad_b002, KERNEL_AT + 32]);
      expect(readInformation(pc, state.reg32(3))).toEqual(information);
      expect(pc.memory.read(STARTED_WITH, 4)).toBe(round);
    }
  });
});

describe('what cannot be booted is refused with one line', () => {
  const patched = (image: Uint8Array, at: number, ...bytes: number[]) => {
    const copy = image.slice();
    copy.set(bytes, at);
    return copy;
  };
  const at = (physical: number, memorySize: number, fileSize = 1) =>
    createExecutable(KERNEL_AT, [
      { physical: KERNEL_AT, bytes: elfText() },
      { physical, bytes: new Uint8Array(fileSize), memorySize },
    ]);
  const flat = (addresses: KernelOptions['addresses']) => createFlatKernel({ addresses });
  // The class alone: what follows it would have other places.
  const elf64 = patched(elf(), 4, 2);
  const addressContradiction = 'the kernel is corrupt: the addresses in its Multiboot header contradict each other';
  const noHeader = 'the kernel has no Multiboot header';

  it.each<[what: string, kernel: Uint8Array, message: string | RegExp]>([
    ['an empty file', new Uint8Array(), noHeader],
    ['eleven bytes', createFlatKernel().slice(0, 11), noHeader],
    [
      'a wrong checksum',
      createFlatKernel({ error: 1 }),
      'the Multiboot header of the kernel is corrupt: its checksum does not fit its flags',
    ],
    [
      'a wish that a loader must know',
      createFlatKernel({ flags: 0x0108 }),
      'the kernel wants what Multiboot 1 does not have: flags 108h of its header',
    ],
    ['a header without its address fields', createFlatKernel().slice(0, 31), /truncated: its Multiboot header/],
    ['Multiboot 2', multiboot2(), /^the kernel is made for Multiboot 2, and version 1 is what starts here; /],
    ['an ELF64 file', elf64, 'the kernel is an ELF64 file: Multiboot starts 32-bit code; make an ELF32 file of it'],
    ['neither ELF nor address fields', elfText(), /^the kernel is no ELF file, and its Multiboot header does not say/],
    ['a big-endian ELF file', patched(elf(), 5, 2), /no executable for the i386$/],
    ['an ELF file that is to be linked', patched(elf(), 16, 1), /no executable for the i386$/],
    ['an ELF file for another processor', patched(elf(), 18, 40), /no executable for the i386$/],
    ['an ELF file without program headers', patched(elf(), 44, 0), /with nothing in it to load$/],
    [
      'program headers that are too short',
      patched(elf(), 42, 31),
      'the kernel is corrupt: its program headers are too short',
    ],
    [
      'program headers beyond the end',
      patched(elf(), 44, 0xff, 0xff),
      /^the kernel is truncated: \d+ of at least 2097240 bytes$/,
    ],
    [
      'a segment beyond the end of the file',
      patched(elf(), elf().length - 32 + 4, 0xf0),
      /^the kernel is truncated: \d+ of at least \d+ bytes$/,
    ],
    [
      'a segment larger in the file',
      at(0x20_0000, 1, 2),
      'the kernel is corrupt: its segment at 200000h is larger in the file than in memory',
    ],
    [
      'a segment in the hole below 1 MiB',
      at(0x9_fc00 - 16, 32),
      'the kernel wants to be loaded to 9FBF0h–9FC0Fh, where no memory is',
    ],
    [
      'a segment at 3 GiB',
      at(0xc010_0000, 4096),
      'the kernel wants to be loaded to C0100000h–C0100FFFh, where no memory is',
    ],
    ['a segment around 4 GiB', at(0xffff_ffff, 0xffff_ffff), /^the kernel wants to be loaded to FFFFFFFFh–1FFFFFFFDh/],
    [
      'more memory than there is',
      at(15 * MIB, 2 * MIB),
      'the kernel needs at least 17 MiB of memory, the guest has 16',
    ],
    [
      'segments that overlap',
      at(KERNEL_AT + 4, 4),
      'the kernel is corrupt: its segments at 100000h and 100004h overlap',
    ],
    [
      'an entry outside',
      createExecutable(0x5000, [{ physical: KERNEL_AT, bytes: elfText() }]),
      'the kernel is corrupt: its entry 5000h is outside of what is loaded',
    ],
    ['header_addr below load_addr', flat({ load: `${KERNEL_AT + 4}` }), addressContradiction],
    ['a load_addr before the file', flat({ load: `${KERNEL_AT - 4}` }), addressContradiction],
    ['load_end_addr before load_addr', flat({ loadEnd: '5' }), addressContradiction],
    ['bss_end_addr before load_end_addr', flat({ bssEnd: `${KERNEL_AT + 4}` }), addressContradiction],
    [
      'load_end_addr beyond the file',
      flat({ loadEnd: `${KERNEL_AT + MIB}` }),
      /^the kernel is truncated: \d+ of at least 1048576 bytes$/,
    ],
    [
      'entry_addr outside',
      flat({ entry: '0x500000' }),
      'the kernel is corrupt: its entry 500000h is outside of what is loaded',
    ],
  ])('%s', (_, kernel, message) => {
    const refusal = refusalOf(() => boot({ kernel }));
    expect(refusal).toBeInstanceOf(UserError);
    if (typeof message === 'string') expect(refusal?.message).toBe(message);
    else expect(refusal?.message).toMatch(message);
  });

  it('a command line for which there is no room', () => {
    expect(refusalOf(() => boot({ commandLine: 'x'.repeat(16 * MIB) }))?.message).toBe(
      'the command lines do not fit into memory next to the kernel',
    );
  });

  it('60,000 segments are no trouble', () => {
    const many = Array.from({ length: 60_000 }, (_, index) => ({
      physical: 2 * MIB + 32 * index,
      bytes: Uint8Array.of(index),
    }));
    const kernel = createExecutable(KERNEL_AT, [{ physical: KERNEL_AT, bytes: elfText() }, ...many.reverse()]);
    const { pc } = start({ kernel, modules: [{ image: Uint8Array.of(1) }] });
    expect(pc.memory.read(2 * MIB + 32 * 59_999, 1)).toBe(59_999 & 0xff);
  });
});

describe('by content', () => {
  const options = { commandLine: '', memoryBytes: 16 * MIB, cpu: 'i686' };
  const refusal = (more: Partial<Parameters<typeof kernelBoot>[0]> & { kernel: Uint8Array }) =>
    refusalOf(() => kernelBoot({ ...options, ...more }))?.message;

  it('a bzImage or a Multiboot kernel', () => {
    expect(kernelBoot({ ...options, kernel: createFlatKernel() }).entry).toMatchObject({
      registers: { eax: 0x2bad_b002 },
    });
    expect(kernelBoot({ ...options, kernel: createBzImage() }).entry).toMatchObject({ registers: { esi: 0x9_0000 } });
  });

  it('what goes with the other is refused', () => {
    const image = Uint8Array.of(1);
    expect(refusal({ kernel: createBzImage(), modules: [{ image }] })).toMatch(/^modules go with a Multiboot kernel/);
    expect(refusal({ kernel: createFlatKernel(), initrd: image })).toMatch(/^an initrd goes with a Linux bzImage/);
    expect(refusal({ kernel: new Uint8Array(4096) })).toBe(
      'the kernel is neither a Linux bzImage nor a Multiboot kernel',
    );
  });
});

function refusalOf(action: () => unknown): Error | undefined {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

function multiboot2(): Uint8Array {
  const image = new Uint8Array(64);
  const view = new DataView(image.buffer);
  [0xe852_50d6, 0, 24, 2 ** 32 - 0xe852_50d6 - 24].forEach((word, index) => {
    view.setUint32(8 + 4 * index, word, true);
  });
  return image;
}
