/** The library as its users have it: src/index.ts, with real machines. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Guest, type GuestOptions, Host, type HostOptions, StateError, UserError } from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { createBzImage as bzImage } from '../../support/bz-image.ts';

const hosts: Host[] = [];
afterEach(() => {
  for (const host of hosts.splice(0)) host.dispose();
});

async function createHost(options?: HostOptions): Promise<Host> {
  const host = await Host.create(options);
  hosts.push(host);
  return host;
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

const image = (source: string): Uint8Array => assemble(`bits 16\norg 0x7c00\n${source}\n`).bytes;
const SPIN = Uint8Array.of(0xeb, 0xfe);
/** One that is nothing but NOPs. */
const BIOS = new Uint8Array(65536).fill(0x90);
/** Fast to make, and slow: right for a few instructions. */
const small = (source: string | Uint8Array, more: Partial<GuestOptions> = {}): GuestOptions => ({
  boot: { image: typeof source === 'string' ? image(source) : source },
  memory: 1,
  engine: 'reference',
  ...more,
});

describe('createGuest refuses, and leaves nothing', () => {
  const detached = new Uint8Array(16);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const ok = { boot: { image: SPIN } };

  const cases: [options: unknown, message: string | RegExp][] = [
    [undefined, 'boot is missing: give { kernel, initrd, commandLine }, { image } or { bios }'],
    [null, 'createGuest: options must be an object, not null'],
    [5, 'createGuest: options must be an object, not 5'],
    [[], 'createGuest: options must be an object, not an array'],
    [{}, 'boot is missing: give { kernel, initrd, commandLine }, { image } or { bios }'],
    [{ boot: null }, 'boot must be an object, not null'],
    [{ boot: {} }, 'boot needs either a kernel, an image or a bios, and has none'],
    [{ boot: { image: SPIN, kernel: SPIN } }, 'boot needs either a kernel, an image or a bios, not both'],
    [{ boot: { bios: SPIN, kernel: SPIN } }, 'boot needs either a kernel, an image or a bios, not both'],
    [{ boot: { bios: SPIN, initrd: SPIN } }, 'boot.initrd goes with a kernel, not with a bios'],
    [{ boot: { image: SPIN, videoBios: SPIN } }, 'boot.videoBios goes with a bios, not with an image'],
    [{ boot: { bios: 'x' } }, /^boot\.bios must be /],
    [{ boot: { bios: new Uint8Array() } }, 'boot.bios is empty'],
    [{ boot: { bios: BIOS, serialConsole: 1 } }, 'boot.serialConsole must be true or false, not 1'],
    [{ boot: { bios: SPIN } }, /^boot\.bios has \d+ bytes: the image of a BIOS has 64, 128, 192 or 256 KiB$/],
    [{ boot: { bios: new Uint8Array(65536) } }, /^boot\.bios is no BIOS: there is no code/],
    [{ boot: { bios: BIOS, videoBios: SPIN } }, /^boot\.videoBios is not the ROM of an adapter/],
    [{ boot: { image: 'x' } }, 'boot.image must be a Uint8Array, not "x"'],
    [{ boot: { image: [1, 2] } }, 'boot.image must be a Uint8Array, not an array'],
    [{ boot: { image: new ArrayBuffer(4) } }, 'boot.image must be a Uint8Array, not an object'],
    [{ boot: { image: new Uint16Array(4) } }, 'boot.image must be a Uint8Array, not an object'],
    [{ boot: { image: new Uint8Array() } }, 'boot.image is empty'],
    [{ boot: { image: detached } }, 'boot.image: its buffer is detached (it was transferred to somebody else)'],
    [{ boot: { image: SPIN, commandLine: 'x' } }, 'boot.commandLine goes with a kernel, not with an image'],
    [{ boot: { image: SPIN, initrd: SPIN } }, 'boot.initrd goes with a kernel, not with an image'],
    [
      { boot: { imgae: SPIN } },
      'boot: there is no option "imgae"; there is kernel, initrd, modules, commandLine, image, bios, videoBios, serialConsole, order',
    ],
    [{ boot: { kernel: SPIN } }, 'the kernel is neither a Linux bzImage nor a Multiboot kernel'],
    [{ boot: { kernel: new Uint8Array() } }, 'the kernel is neither a Linux bzImage nor a Multiboot kernel'],
    [{ boot: { kernel: detached } }, 'boot.kernel: its buffer is detached (it was transferred to somebody else)'],
    [{ boot: { kernel: 'bzImage' } }, 'boot.kernel must be a Uint8Array, not "bzImage"'],
    [{ boot: { kernel: bzImage(), initrd: 7 } }, 'boot.initrd must be a Uint8Array, not 7'],
    [{ boot: { kernel: bzImage(), initrd: new Uint8Array() } }, 'boot.initrd is empty'],
    [{ boot: { kernel: bzImage(), commandLine: 7 } }, 'boot.commandLine must be a string, not 7'],
    [{ boot: { kernel: SPIN, modules: 7 } }, 'boot.modules must be an array, not 7'],
    [
      { boot: { kernel: SPIN, modules: [SPIN] } },
      /^boot\.modules\[0\]: there is no option "0"; there is image, commandLine/,
    ],
    [{ boot: { kernel: SPIN, modules: [{}] } }, 'boot.modules[0].image must be a Uint8Array, not undefined'],
    [{ boot: { kernel: SPIN, modules: [{ image: new Uint8Array() }] } }, 'boot.modules[0].image is empty'],
    [
      { boot: { kernel: SPIN, modules: [{ image: SPIN, commandLine: '\0' }] } },
      'boot.modules[0].commandLine contains a NUL character, where the kernel would end it',
    ],
    [{ boot: { image: SPIN, modules: [] } }, 'boot.modules goes with a kernel, not with an image'],
    [{ boot: { kernel: bzImage(), modules: [{ image: SPIN }] } }, /^modules go with a Multiboot kernel/],
    [
      { boot: { kernel: bzImage(), commandLine: 'a\0b' } },
      'boot.commandLine contains a NUL character, where the kernel would end it',
    ],
    [{ ...ok, memoyr: 5 }, /^createGuest: options: there is no option "memoyr"; there is boot, name, memory, cpu, /],
    [{ ...ok, memory: 0 }, 'memory must be a whole number of MiB from 1 to 3072, not 0'],
    [{ ...ok, memory: -1 }, 'memory must be a whole number of MiB from 1 to 3072, not -1'],
    [{ ...ok, memory: 1.5 }, 'memory must be a whole number of MiB from 1 to 3072, not 1.5'],
    [{ ...ok, memory: 3073 }, 'memory must be a whole number of MiB from 1 to 3072, not 3073'],
    [{ ...ok, memory: Number.NaN }, 'memory must be a whole number of MiB from 1 to 3072, not NaN'],
    [{ ...ok, memory: '64' }, 'memory must be a whole number of MiB from 1 to 3072, not "64"'],
    [{ ...ok, memory: null }, 'memory must be a whole number of MiB from 1 to 3072, not null'],
    [{ ...ok, cpu: 5 }, 'cpu must be a string, not 5'],
    [{ ...ok, cpu: 'z80' }, /^unknown CPU "z80"; known: /],
    [{ ...ok, cpu: 'constructor' }, /^unknown CPU "constructor"; known: /],
    [{ ...ok, engine: 'fast' }, 'engine must be auto or jit or interpreter or reference, not "fast"'],
    [{ ...ok, engine: 1 }, 'engine must be auto or jit or interpreter or reference, not 1'],
    [{ ...ok, clock: 'x' }, 'clock must be virtual or host, not "x"'],
    [{ ...ok, instructionTime: 0 }, 'instructionTime must be a number of ns from 0.01 to 1000, not 0'],
    [{ ...ok, instructionTime: Number.NaN }, 'instructionTime must be a number of ns from 0.01 to 1000, not NaN'],
    [{ ...ok, instructionTime: '4' }, /^instructionTime must be .*, not "4"$/],
    [{ ...ok, powerOnTime: Number.NaN }, 'powerOnTime must be a whole number of ms from 0 to 253402214400000, not NaN'],
    [{ ...ok, powerOnTime: -1 }, 'powerOnTime must be a whole number of ms from 0 to 253402214400000, not -1'],
    [{ ...ok, powerOnTime: 1e300 }, 'powerOnTime must be a whole number of ms from 0 to 253402214400000, not 1e+300'],
    [{ ...ok, powerOnTime: new Date(0) }, /^powerOnTime must be .*, not an object$/],
    [{ ...ok, weight: 0 }, 'weight must be a number from 0.001 to 1000000, not 0'],
    [{ ...ok, weight: Number.POSITIVE_INFINITY }, 'weight must be a number from 0.001 to 1000000, not Infinity'],
    [{ ...ok, weight: Number.NaN }, 'weight must be a number from 0.001 to 1000000, not NaN'],
    [{ ...ok, onReset: 'halt' }, 'onReset must be reset or stop, not "halt"'],
    [{ ...ok, onTripleFault: true }, 'onTripleFault must be reset or stop, not true'],
    [{ ...ok, name: '' }, 'name must be 1 to 100 characters without control characters, not ""'],
    [{ ...ok, name: 'a\nb' }, 'name must be 1 to 100 characters without control characters, not "a\\nb"'],
    [{ ...ok, name: 'x'.repeat(101) }, /^name must be 1 to 100 characters/],
    [{ ...ok, name: 5 }, 'name must be a string, not 5'],
    [
      { boot: { image: new Uint8Array(2 ** 21) }, memory: 1 },
      'boot.image has 2097152 bytes; at most 622592 fit into conventional memory, from 7C00h on',
    ],
    [
      { boot: { image: new Uint8Array(0x9_fc00 - 0x7c00 + 1) } },
      'boot.image has 622593 bytes; at most 622592 fit into conventional memory, from 7C00h on',
    ],
  ];
  it.each(cases.map(([options, message]) => [message, options] as const))('L3, L5: %s', async (message, options) => {
    const host = await createHost();
    const error = (await failure(host.createGuest(options as GuestOptions))) as Error;
    expect(error).toBeInstanceOf(UserError);
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
    expect(host.guests).toEqual([]);
    host.dispose();
  });

  it('L5: an image may fill conventional memory', async () => {
    const host = await createHost();
    await host.createGuest({ ...small(new Uint8Array(0x9_fc00 - 0x7c00).fill(0x90)) });
    expect(host.guests).toHaveLength(1);
  });

  it.each([0, 0x9_0800, 0xb_0000, 0xffff_fff0])(
    'L5: a kernel whose header puts it where no kernel can be, at %i',
    async (address) => {
      const host = await createHost();
      const kernel = bzImage();
      new DataView(kernel.buffer).setUint32(0x214, address, true);
      expect(await failure(host.createGuest({ boot: { kernel }, memory: 64 }))).toBeInstanceOf(UserError);
      expect(host.guests).toEqual([]);
    },
  );

  it('L3: a name is not used up, and options given as undefined are as if not given', async () => {
    const host = await createHost();
    await failure(host.createGuest(small(SPIN, { weight: 0 })));
    const guest = await host.createGuest(
      small(SPIN, { name: undefined, cpu: undefined, weight: undefined, powerOnTime: undefined, onReset: undefined }),
    );
    expect([guest.name, guest.clock]).toEqual(['guest 1', 'virtual']);
  });

  it('an instruction takes as much guest time as was asked for', async () => {
    const host = await Host.create();
    for (const [instructionTime, time] of [
      [undefined, 4000],
      [1, 1000],
      [0.25, 250],
      [1000, 1_000_000],
    ]) {
      const guest = await host.createGuest(small(SPIN, { instructionTime }));
      await guest.runTo(1000);
      expect(guest.machine.time).toBe(time);
    }
    host.dispose();
  });

  it('a guest whose host is disposed before it is there is not handed over', async () => {
    const host = await createHost();
    const pending = host.createGuest(small(SPIN, { name: 'late' }));
    host.dispose();
    expect(await failure(pending)).toEqual(new StateError('late was disposed while it was being created'));
  });

  it('a disposed host makes no guests, nor does one that is about to be, by a listener', async () => {
    const host = await createHost();
    const guest = await host.createGuest(small(SPIN));
    const late = new Promise((resolve) => {
      guest.on('exit', () => resolve(failure(host.createGuest(small(SPIN)))));
    });
    host.dispose();
    expect(await late).toEqual(new StateError('the host is disposed'));
    expect(await failure(host.createGuest(small(SPIN)))).toBeInstanceOf(StateError);
    host.dispose();
    expect(host.guests).toEqual([]);
  });
});

describe('Host.create', () => {
  it.each<[unknown, string]>([
    [null, 'host options must be an object, not null'],
    [
      { slice: 2 },
      'host options: there is no option "slice"; there is platform, sliceMilliseconds, memoryLimit, pools, reclaim, swap, onListenerError',
    ],
    [{ sliceMilliseconds: 0 }, 'sliceMilliseconds must be a number of ms from 0.1 to 1000, not 0'],
    [{ sliceMilliseconds: Number.NaN }, 'sliceMilliseconds must be a number of ms from 0.1 to 1000, not NaN'],
    [{ sliceMilliseconds: '2' }, 'sliceMilliseconds must be a number of ms from 0.1 to 1000, not "2"'],
    [{ onListenerError: 5 }, 'onListenerError must be a function, not 5'],
    [{ platform: 5 }, 'platform must be an object, not 5'],
    [{ platform: null }, 'platform must be an object, not null'],
    [{ platform: {} }, 'platform.now must be a function, not undefined'],
    [
      { platform: { now: () => 0, yield: async () => {}, delay: () => () => {}, compile: 5 } },
      'platform.compile must be a function, not 5',
    ],
    [
      { platform: { now: () => 0, yield: async () => {}, delay: () => () => {}, compileRegions: null } },
      'platform.compileRegions must be a function, not null',
    ],
    [
      { platform: { now: () => 0, yield: async () => {}, delay: () => () => {}, fastTailCalls: 1 as never } },
      'platform.fastTailCalls must be true or false, not 1',
    ],
  ])('L5: refuses %j', async (options, message) => {
    expect(await failure(Host.create(options as HostOptions))).toEqual(new UserError(message));
  });
});

describe('a guest', () => {
  it('L6: keeps its boot image: zero yours, reset it, and it runs as before', async () => {
    const host = await createHost();
    const bytes = image('inc ax\ncli\nhlt');
    const guest = await host.createGuest(small(bytes));
    bytes.fill(0);
    const ax = async () => {
      await guest.run();
      return guest.machine.registers().eax;
    };
    expect(await ax()).toBe(1);
    guest.reset();
    expect(await ax()).toBe(1);
  });

  it('L6: the same for a kernel and its initrd', async () => {
    const host = await createHost();
    const kernel = bzImage();
    const initrd = Uint8Array.of(1, 2, 3, 4);
    const guest = await host.createGuest({ boot: { kernel, initrd }, memory: 64, engine: 'reference' });
    const before = guest.machine.stateHash();
    kernel.fill(0);
    initrd.fill(0);
    guest.reset();
    expect(guest.machine.stateHash()).toBe(before);
  });

  it('L6: a shared buffer may be given, for images and for input', async () => {
    const host = await createHost();
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    shared.set(SPIN);
    const guest = await host.createGuest(small(shared));
    guest.serial.write(shared);
    // The first is in the receiver already.
    expect(guest.serial.pending).toBe(1);
    expect(await guest.runTo(10)).toBe('reached');
  });

  it('L1, L2: runTo(NaN) and runTo(5011.5) are refused; the count stays whole', async () => {
    const host = await createHost();
    const guest = await host.createGuest(small(SPIN));
    for (const count of [Number.NaN, 5011.5]) expect(await failure(guest.runTo(count))).toBeInstanceOf(UserError);
    expect(await guest.runTo(5011)).toBe('reached');
    expect(guest.instructions).toBe(5011);
  });

  it('a triple fault says what it was', async () => {
    const host = await createHost();
    const guest = await host.createGuest(
      small('cli\nlidt [zero]\nint3\nzero: times 6 db 0', { onTripleFault: 'stop' }),
    );
    expect(await guest.run()).toMatchObject({ reason: 'triple-fault', cause: expect.stringMatching(/^#\w+.*: \S/) });
  });

  it('its keyboard types', async () => {
    // Takes six scan codes by polling, and halts.
    const host = await createHost();
    const source =
      'mov di, 0x500\nmov cx, 6\nnext: in al, 0x64\ntest al, 1\njz next\nin al, 0x60\nstosb\nloop next\ncli\nhlt';
    const guest = await host.createGuest(small(source, { engine: 'interpreter' }));
    guest.keyboard.type('aB');
    const end = guest.run();
    expect(await end).toEqual({ reason: 'halted' });
    // Set 1: A down, up; Shift down, B down, up, Shift up.
    expect([...guest.machine.peek(0x500, 6)]).toEqual([0x1e, 0x9e, 0x2a, 0x30, 0xb0, 0xaa]);
  });

  it('machine: registers, memory, translation, screen, hash', async () => {
    const host = await createHost();
    const guest = await host.createGuest(small('mov ax, 0xb800\nmov ds, ax\nmov word [0], 0x0741\ncli\nhlt'));
    await guest.run();
    const { machine } = guest;
    const registers = machine.registers();
    expect(registers).toMatchObject({ eax: 0xb800, cs: { selector: 0, base: 0 }, ds: { base: 0xb_8000 }, cpl: 0 });
    expect(registers.eip).toBe(0x7c00 + image('mov ax, 0xb800\nmov ds, ax\nmov word [0], 0x0741\ncli\nhlt').length);
    expect(machine.screen()[0].trimEnd()).toBe('A');
    expect(machine.translate(0x1234)).toBe(0x1234);
    expect([...machine.peek(0x7c00, 3)]).toEqual([0xb8, 0x00, 0xb8]);
    expect([...machine.peekPhysical(0x7c00, 3)]).toEqual([0xb8, 0x00, 0xb8]);
    expect([machine.memorySize, machine.memoryInUse > 0, machine.halted]).toEqual([2 ** 20, true, true]);
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 32, '0', undefined]) {
      expect(() => machine.translate(wrong as number)).toThrow(UserError);
      expect(() => machine.peek(wrong as number, 1)).toThrow(UserError);
      expect(() => machine.peek(0, wrong as number)).toThrow(UserError);
      expect(() => machine.peekPhysical(wrong as number, 1)).toThrow(UserError);
    }
  });
});

describe('output and its readers', () => {
  /** Sends itself, and what lies behind it, to port E9h for ever: a byte an instruction. */
  const FLOOD = 'mov dx, 0xe9\nnext: mov si, 0x7c00\nmov cx, 0x1000\nrep outsb\njmp next';
  const COUNT = 1_100_000;

  it('the state at an instruction does not depend on them: many, slow, none; nothing is lost', async () => {
    const host = await createHost();
    const start = (name: string): Promise<Guest> =>
      host.createGuest({ name, boot: { image: image(FLOOD) }, memory: 1 });

    const [read, slow, silent] = [await start('read'), await start('slow'), await start('silent')];
    const hashes: string[] = [];
    const sums: number[] = [];
    const count = (bytes: Uint8Array, index: number): void => {
      for (const byte of bytes) sums[index] = ((sums[index] ?? 0) * 31 + byte) >>> 0;
    };
    read.debugConsole.on('data', (bytes) => count(bytes, 0));
    silent.debugConsole.discard();
    const reading = (async () => {
      for await (const bytes of slow.debugConsole) {
        count(bytes, 1);
        // As slow as can be: it takes nothing before the guest is held.
        while (slow.state === 'running' && !slow.debugConsole.full)
          await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    let held = 0;
    slow.on('warning', () => held++);
    await Promise.all(
      [read, slow, silent].map(async (guest, index) => {
        expect(await guest.runTo(COUNT)).toBe('reached');
        hashes[index] = guest.machine.stateHash();
      }),
    );
    slow.stop();
    await reading;
    expect(new Set(hashes).size).toBe(1);
    expect(sums[1]).toBe(sums[0]);
    expect(held).toBe(1);
  });
});
