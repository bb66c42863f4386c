import { describe, expect, it } from 'vitest';
import { UserError } from '../../../src/base/errors.ts';
import { linuxBoot } from '../../../src/machine/linux-boot.ts';
import { createBzImage, sign } from '../../support/bz-image.ts';

const MIB = 2 ** 20;
const boot = (options: Partial<Parameters<typeof linuxBoot>[0]> = {}) =>
  linuxBoot({ kernel: createBzImage(), commandLine: 'console=ttyS0', memoryBytes: 64 * MIB, cpu: 'i686', ...options });

/** The piece that starts at, or holds, what `address` points to. */
const pieceAt = (image: ReturnType<typeof boot>, address: number) =>
  image.pieces.find((piece) => piece.address === address)!.bytes;

const parameters = (image: ReturnType<typeof boot>) => {
  if (image.entry.mode !== 'protected') throw new Error('not the 32-bit entry');
  const bytes = pieceAt(image, image.entry.registers!.esi!);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
};

describe('the 32-bit boot protocol', () => {
  it('"__BOOT_CS must have execute/read permission; __BOOT_DS must have read/write permission"', () => {
    const image = boot();
    if (image.entry.mode !== 'protected') throw new Error('not the 32-bit entry');
    expect(image.entry).toMatchObject({ eip: 0x10_0000, codeSelector: 0x10, dataSelector: 0x18 });
    const gdt = pieceAt(image, image.entry.gdt.address);
    expect([...gdt.slice(0x10, 0x18)]).toEqual([0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0]);
    expect([...gdt.slice(0x18, 0x20)]).toEqual([0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0]);
    expect(image.entry.gdt.limit).toBe(0x1f);
  });

  it('"the setup header at offset 0x01f1 of kernel image should be loaded into struct boot_params"', () => {
    const view = parameters(boot());
    expect(view.getUint32(0x202, true)).toBe(0x5372_6448);
    expect(view.getUint16(0x206, true)).toBe(0x020f);
    expect(view.getUint32(0x260, true)).toBe(0x10_0000);
    expect(view.getUint8(0x210)).toBe(0xff);
  });

  it('cmd_line_ptr points to the command line, which ends with a zero', () => {
    const image = boot({ commandLine: 'quiet' });
    const bytes = pieceAt(image, parameters(image).getUint32(0x228, true));
    expect(new TextDecoder().decode(bytes)).toBe('quiet\0');
  });

  it('the protected-mode kernel follows the setup sectors', () => {
    const image = boot({ kernel: createBzImage({ code: Uint8Array.of(0x90, 0xf4) }) });
    expect([...pieceAt(image, 0x10_0000).slice(0, 2)]).toEqual([0x90, 0xf4]);
  });

  it('reports memory as E820 does: conventional, BIOS, extended', () => {
    const view = parameters(boot());
    const entries = Array.from({ length: view.getUint8(0x1e8) }, (_, index) => {
      const at = 0x2d0 + index * 20;
      return [
        Number(view.getBigUint64(at, true)),
        Number(view.getBigUint64(at + 8, true)),
        view.getUint32(at + 16, true),
      ];
    });
    expect(entries).toEqual([
      [0, 0x9_fc00, 1],
      [0x9_fc00, 0x400, 2],
      [0xf_0000, 0x1_0000, 2],
      [0x10_0000, 63 * MIB, 1],
    ]);
    expect(view.getUint32(0x1e0, true)).toBe(63 * 1024);
  });

  it('describes the VGA text screen: mode 3, 80 columns, 25 lines', () => {
    const view = parameters(boot());
    expect([view.getUint8(6), view.getUint8(7), view.getUint8(0xe), view.getUint8(0xf)]).toEqual([3, 80, 25, 1]);
  });
});

describe('the initrd', () => {
  const placement = (image: ReturnType<typeof boot>) => {
    const view = parameters(image);
    return { address: view.getUint32(0x218, true), size: view.getUint32(0x21c, true) };
  };

  it('lies page-aligned at the top of memory', () => {
    const image = boot({ initrd: new Uint8Array(5000) });
    expect(placement(image)).toEqual({ address: 64 * MIB - 8192, size: 5000 });
    expect(pieceAt(image, 64 * MIB - 8192)).toHaveLength(5000);
  });

  it('"initrd_addr_max: the maximum address that may be occupied by the initial ramdisk"', () => {
    const kernel = createBzImage({ initrdMaximum: 32 * MIB - 1 });
    expect(placement(boot({ kernel, initrd: new Uint8Array(4096) })).address).toBe(32 * MIB - 4096);
  });

  it('is absent when there is none', () => {
    expect(placement(boot())).toEqual({ address: 0, size: 0 });
  });
});

describe('what cannot be booted is refused with one line', () => {
  const refusal = (options: Parameters<typeof boot>[0]) => {
    try {
      boot(options);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as Error).message;
    }
    throw new Error('accepted');
  };

  it.each([
    ['an empty file', new Uint8Array(0)],
    ['a text file', new TextEncoder().encode('This is no kernel.\n'.repeat(100))],
    ['a boot sector without the setup header', createBzImage().fill(0, 0x202, 0x206)],
  ])('%s', (_, kernel) => {
    expect(refusal({ kernel })).toBe('the kernel is not a Linux bzImage');
  });

  it('a truncated bzImage', () => {
    const kernel = createBzImage({ code: new Uint8Array(10_000) });
    expect(refusal({ kernel: kernel.subarray(0, 6000) })).toBe('the kernel is truncated: 6000 of 11024 bytes');
  });

  it('U15: a 64-bit kernel on a CPU without long mode; not by the same bits of an older protocol', () => {
    for (const xloadflags of [0x0001, 0x0009]) {
      const kernel = createBzImage({ xloadflags });
      expect(refusal({ kernel })).toMatch(/64-bit one, and CPU i686 has no 64-bit mode; take a 32-bit kernel/);
      expect(boot({ kernel, cpu: 'x86-64' }).entry).toMatchObject({ eip: 0x10_0000 });
      expect(boot({ kernel: createBzImage({ xloadflags, version: 0x020b }) }).entry.mode).toBe('protected');
    }
    expect(boot({ kernel: createBzImage({ xloadflags: 0x0004 }) }).entry.mode).toBe('protected');
  });

  it('an image that starts by its setup code: code32_start points nowhere (iPXE)', () => {
    for (const codeStart of [0, 0x1000]) {
      expect(refusal({ kernel: createBzImage({ codeStart }) })).toMatch(/no 32-bit entry.*wants BIOS services/);
    }
  });

  it('U6: a payload beyond the end of the system', () => {
    const code = new Uint8Array(10_000);
    const kernel = (length: number, version = 0x0208) =>
      createBzImage({ code, payload: { offset: 100, length }, version });
    expect(refusal({ kernel: kernel(9_901) })).toMatch(/corrupt/);
    expect(boot({ kernel: kernel(9_900) }).entry.mode).toBe('protected');
    expect(boot({ kernel: kernel(0xffff_ffff, 0x0207) }).entry.mode).toBe('protected');
  });

  describe('U6: a corrupt kernel: "the CRC of the file up to the limit specified in the syssize field is always 0"', () => {
    const code = Uint8Array.from({ length: 20_000 }, (_, index) => index * 7);
    const kernelVersion = '6.1.0-50-686 (builder@example.org) #1 SMP';
    const linux = (options: Parameters<typeof createBzImage>[0] = {}) =>
      createBzImage({ code, kernelVersion, checksum: true, ...options });
    const flipped = (kernel: Uint8Array, at: number, length: number) => {
      const copy = kernel.slice();
      for (let index = at; index < at + length; index++) copy[index] ^= 0xff;
      return copy;
    };

    it('an intact one boots, also with something behind it', () => {
      expect(boot({ kernel: linux() }).entry.mode).toBe('protected');
      const longer = new Uint8Array(linux().length + 100).fill(0xaa);
      longer.set(linux());
      expect(boot({ kernel: longer }).entry.mode).toBe('protected');
    });

    it.each([
      ['400 bytes', 10_000, 400],
      ['one byte of the setup code', 0x3f0, 1],
      ['the last byte', 1024 + 20_000 + 15, 1],
      ['the first byte', 0, 1],
    ])('%s changed', (_, at, length) => {
      expect(refusal({ kernel: flipped(linux(), at, length) })).toMatch(/^the kernel is corrupt: .*get it anew$/);
    });

    it.each(['PE32', 'PE32+'] as const)('a signed one (%s) is as intact as it was before it was signed', (pe) => {
      const signed = sign(linux({ pe }), pe);
      expect(boot({ kernel: signed }).entry.mode).toBe('protected');
      expect(refusal({ kernel: flipped(signed, 10_000, 1) })).toMatch(/corrupt/);
    });

    it.each([
      ['Linux 6.15, which dropped it', { kernelVersion: '6.15.0 (builder) #1' }],
      ['Linux 7.0', { kernelVersion: '7.0.0-rc1 (builder) #1' }],
      ['a system of another kind', { kernelVersion: 'Memtest86+ v6.10' }],
      ['protocol 2.07', { version: 0x0207 }],
      ['a kernel that does not say what it is', { kernelVersion: undefined }],
    ] as const)('not asked of %s', (_, options) => {
      const kernel = createBzImage({ code, kernelVersion, ...options });
      expect(boot({ kernel }).entry.mode).toBe('protected');
    });

    it('asked of 2.6.27 to 6.14', () => {
      for (const version of ['2.6.27', '3.2.0-4-amd64', '6.14.9-arch1']) {
        const options = { kernelVersion: `${version} (builder) #1` };
        expect(boot({ kernel: linux(options) }).entry.mode).toBe('protected');
        expect(refusal({ kernel: createBzImage({ code, ...options }) })).toMatch(/corrupt/);
      }
    });
  });

  it('boot protocol 2.05', () => {
    expect(refusal({ kernel: createBzImage({ version: 0x0205 }) })).toMatch(/boot protocol 2\.05; 2\.06 or newer/);
  });

  it('a zImage', () => {
    expect(refusal({ kernel: createBzImage({ loadedHigh: false }) })).toMatch(/zImage/);
  });

  it('a kernel that needs more memory than there is', () => {
    expect(refusal({ kernel: createBzImage({ initSize: 80 * MIB }) })).toMatch(
      /at least 81 MiB of memory, the guest has 64/,
    );
  });

  it('an initrd larger than memory', () => {
    expect(refusal({ initrd: new Uint8Array(65 * MIB) })).toMatch(/the initrd \(65 MiB\) does not fit/);
  });

  it('an initrd that would lie on the kernel', () => {
    expect(refusal({ initrd: new Uint8Array(63 * MIB) })).toMatch(/does not fit/);
  });

  it('a command line longer than cmdline_size', () => {
    expect(refusal({ commandLine: 'x'.repeat(256) })).toMatch(/longer than the 255 bytes/);
  });
});
