/** Guests in threads of their own: the library with real workers. What is quick is in `threads.test.ts`. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../src/cli/demo.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import { startWorkerThread, type WorkerThread } from '../../../src/host/worker-thread.ts';
import {
  type Guest,
  type GuestOptions,
  Host,
  type HostOptions,
  InternalError,
  StateError,
  UserError,
} from '../../../src/index.ts';
import { assemble } from '../../../src/isa/assemble.ts';
import { useWorkerBundle } from '../../support/worker-bundle.ts';

const demo = assembleDemo();
const hosts: Host[] = [];
const program = useWorkerBundle();
afterEach(() => {
  for (const host of hosts.splice(0)) host.dispose();
});

async function createHost(options: HostOptions = {}): Promise<Host> {
  const host = await Host.create({ threads: 2, worker: program(), ...options });
  hosts.push(host);
  return host;
}

const image = (source: string): Uint8Array => assemble(`bits 16\norg 0x7c00\n${source}\n`).bytes;
const SPIN: GuestOptions = { boot: { image: image('again: inc eax\njmp again') }, memory: 1 };
/** COM1 with words of eight bits. */
const WIDE = 'mov dx, 0x3fb\nmov al, 3\nout dx, al\nmov dx, 0x3f8';
/** Sends on, to the serial port, what the keyboard sends. */
const KEYS = image(`${WIDE}\nmov al, '!'\nout dx, al
  again: in al, 0x64\ntest al, 1\njz again\nin al, 0x60\nout dx, al\njmp again`);
/** Halted but for the serial port, whose bytes it sends back. */
const ECHO = image(`${WIDE}\nmov dx, 0x3f9\nmov al, 1\nout dx, al
  mov al, 0x11\nout 0x20, al\nmov al, 8\nout 0x21, al\nmov al, 4\nout 0x21, al\nmov al, 1\nout 0x21, al\nmov al, 0xef\nout 0x21, al
  mov word [0x30], got\nmov word [0x32], 0\nmov dx, 0x3fc\nmov al, 11\nout dx, al
  mov dx, 0x3f8\nmov al, '!'\nout dx, al
  wait: sti\nhlt\njmp wait
  got: push ax\npush dx\nmov dx, 0x3f8\nin al, dx\nout dx, al\nmov al, 0x20\nout 0x20, al\npop dx\npop ax\niret`);

/** What a command of the demo prints. */
async function command(guest: Guest, text: string): Promise<string> {
  guest.serial.write(`${text}\r`);
  const { before } = await guest.serial.waitFor('\r\n> ');
  return before;
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error) => error,
  );

/** The same with no thread, and with two. */
async function inBoth<Outcome>(act: (host: Host) => Promise<Outcome>): Promise<[Outcome, Outcome]> {
  return [await act(await createHost({ threads: 0 })), await act(await createHost({ threads: 2 }))];
}

/** Threads that a test can do harm to. */
function watchedPlatform() {
  const threads: WorkerThread[] = [];
  const startWorker = () => {
    const thread = startWorkerThread(program());
    threads.push(thread);
    return thread;
  };
  return { threads, platform: { ...createPlatform(), startWorker } };
}

describe('a guest in a thread is what it is in the caller\u2019s', () => {
  it('keys: none is lost, however much is typed at once', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ boot: { image: KEYS }, memory: 1 });
      void guest.run();
      await guest.serial.waitFor('!');
      guest.keyboard.type('Hello, world\n');
      const codes: number[] = [];
      for await (const bytes of guest.serial) {
        codes.push(...bytes);
        // Enter comes up.
        if (codes.at(-1) === 0x9c) return codes;
      }
      return [];
    });
    expect(there).toEqual(here);
    // Two capital letters need a shift key.
    expect(here.length).toBe(2 * ('Hello, world\n'.length + 1));
  });

  it('fuel: exact, with the same receipt; and more of it', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ ...SPIN, fuel: 1_234_567 });
      const first = await guest.run();
      guest.addFuel(1000);
      guest.reset();
      const second = await guest.run();
      guest.reset();
      return [first, second, await guest.run()];
    });
    expect(there).toEqual(here);
    expect(there.map((exit) => exit.reason === 'out-of-fuel' && exit.receipt.instructions)).toEqual([
      ...[1_234_567, 1_235_567, 1_235_567],
    ]);
  });

  it('breakpoints', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ boot: { image: image('again: inc eax\nnop\njmp again') }, memory: 1 });
      const hits: unknown[] = [];
      const breakpoint = guest.breakpoints.add({ address: 0x7c02 });
      guest.on('breakpoint', (hit) => hits.push(hit.breakpoint === breakpoint, hit.address));
      expect(await guest.runTo(1_000_000)).toBe('breakpoint');
      hits.push(guest.instructions, (await guest.registers()).eip);
      expect(guest.breakpoints.remove(breakpoint)).toBe(true);
      expect(await guest.runTo(1_000_000)).toBe('reached');
      return hits;
    });
    expect(there).toEqual(here);
    expect(here).toEqual([true, 0x7c02, 1, 0x7c02]);
  });

  it('what is asked of the machine', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ boot: { image: demo }, memory: 2 });
      guest.serial.discard();
      await guest.runTo(50_000);
      const { memorySize, memoryInUse, memoryShared, instructions, time, halted } = guest.machine;
      return {
        registers: await guest.registers(),
        bytes: [await guest.peek(0x7c00, 4), await guest.peekPhysical(0x7c00, 4)],
        address: await guest.translate(0x7c00),
        screen: await guest.screen(),
        facts: [memorySize, memoryInUse, memoryShared, instructions, time, halted],
        wrong: String(await failure(guest.peek(0x7c00, -1))),
      };
    });
    expect(there).toEqual(here);
  });

  it('how it ends', async () => {
    const [here, there] = await inBoth(async (host) => {
      const ends = ['cli\nhlt', 'mov al, 7\nout 0xf4, al', 'lidt [none]\nint 3\nnone: dw 0, 0, 0'];
      const exits: unknown[] = [];
      for (const source of ends) {
        const guest = await host.createGuest({ boot: { image: image(source) }, memory: 1, onTripleFault: 'stop' });
        exits.push(await guest.run());
      }
      return exits;
    });
    expect(there).toEqual(here);
  });

  it('what createGuest refuses', async () => {
    const [here, there] = await inBoth(async (host) => {
      const wrong: GuestOptions[] = [
        { boot: { kernel: Uint8Array.of(1, 2, 3) } },
        { ...SPIN, cpu: 'z80' },
        { boot: { image: new Uint8Array(2 ** 20) } },
      ];
      const errors: string[] = [];
      for (const options of wrong) {
        const error = await failure(host.createGuest({ name: 'x', ...options }));
        expect(error).toBeInstanceOf(UserError);
        errors.push((error as Error).message);
      }
      expect(host.guests).toEqual([]);
      return errors;
    });
    expect(there).toEqual(here);
  });
});

describe('what comes while a slice is under way', () => {
  it.each(['virtual', 'host'] as const)('is taken in behind it: bytes wake a guest, clock %s', async (clock) => {
    const host = await createHost();
    const guest = await host.createGuest({ boot: { image: ECHO }, memory: 1, clock });
    void guest.run();
    await guest.serial.waitFor('!');
    for (let count = 0; count < 50; count++) {
      guest.serial.write('x');
      await guest.serial.waitFor('x', { timeout: 5000 });
    }
    expect(guest.serial.pending).toBe(0);
  });

  it('a listener may answer at once', async () => {
    for (const host of [await createHost({ threads: 0 }), await createHost()]) {
      const guest = await host.createGuest({ boot: { image: ECHO }, memory: 1 });
      let answers = 0;
      const enough = new Promise<void>((resolve) => {
        guest.serial.on('data', () => (++answers < 100 ? guest.serial.write('y') : resolve()));
      });
      void guest.run();
      await enough;
    }
  });

  it('pause, reset, stop and dispose', async () => {
    const host = await createHost();
    const guest = await host.createGuest(SPIN);
    const run = async () => {
      const ended = guest.run();
      const { instructions } = guest;
      while (guest.instructions < instructions + 100_000) await new Promise((resolve) => setTimeout(resolve, 1));
      return ended;
    };
    void run();
    await new Promise((resolve) => setTimeout(resolve, 50));
    guest.pause();
    const hash = await guest.stateHash();
    const { instructions } = guest;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([guest.state, guest.instructions, await guest.stateHash()]).toEqual(['paused', instructions, hash]);
    expect(await guest.runTo(instructions + 1)).toBe('reached');
    expect(guest.instructions).toBe(instructions + 1);
    void run();
    guest.reset();
    expect((await guest.registers()).ecx).toBe(0);
    const ended = guest.run().catch(String);
    expect(await ended).toContain('is running already');
    guest.stop();
    expect(guest.state).toBe('stopped');
    expect(await failure(guest.run())).toBeInstanceOf(StateError);
    guest.reset();
    const again = guest.run();
    await new Promise((resolve) => setTimeout(resolve, 10));
    guest.dispose();
    expect(await again).toEqual({ reason: 'stopped', by: 'dispose' });
    expect(() => guest.machine).toThrow(StateError);
  });

  it('methods that cannot wait say what to call', async () => {
    const host = await createHost();
    const guest = await host.createGuest(SPIN);
    expect(() => guest.machine.stateHash()).toThrow('guest 1 runs in another thread: use await guest.stateHash()');
    expect(() => guest.machine.peek(0, 1)).toThrow('guest 1 runs in another thread: use await guest.peek(…)');
    expect(() => guest.step()).toThrow('use await guest.runTo(guest.instructions + 1)');
  });
});

describe('clones in threads', () => {
  it('are equal, share memory, stay in one pool and go their own ways', async () => {
    const host = await createHost();
    const guest = await host.createGuest({ boot: { image: demo }, memory: 2, name: 'demo' });
    void guest.run();
    await guest.serial.waitFor('> ');
    const clones = await guest.clone({ count: 2 });
    guest.pause();
    expect(clones.map(({ name, state }) => [name, state])).toEqual([
      ['demo.1', 'created'],
      ['demo.2', 'created'],
    ]);
    expect(clones[0].machine.memoryShared).toBeGreaterThan(0);
    expect(await clones[0].stateHash()).toBe(await clones[1].stateHash());
    const before = await guest.stateHash();
    for (const clone of clones) void clone.run();
    await Promise.all(clones.map((clone) => command(clone, `help ${clone.name}`)));
    expect(await guest.stateHash()).toBe(before);
    guest.dispose();
    await command(clones[1], 'help');
  });
});

/** A disk whose boot sector sends the first byte of the second sector, and writes that one to the third. */
function bootableDisk(): Uint8Array {
  const disk = new Uint8Array(2 ** 20);
  disk.set(
    image(`mov bx, 0x8000\nmov ax, 0x0201\nmov cx, 2\nmov dx, 0x80\nint 0x13
      mov ax, 0x0301\nmov cx, 3\nmov dx, 0x80\nint 0x13
      ${WIDE}\nmov al, [0x8000]\nout dx, al\nagain: jmp again`),
  );
  disk.set([0x55, 0xaa], 510);
  disk[512] = 'Q'.charCodeAt(0);
  return disk;
}

describe('drives of guests in threads', () => {
  it('are as in the caller\u2019s; snapshots have what was written', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ disks: [bootableDisk()], memory: 1 });
      const lines: string[] = [];
      guest.on('warning', (line) => lines.push(line));
      void guest.run();
      await guest.serial.waitFor('Q', { timeout: 20_000 });
      guest.pause();
      await guest.stateHash();
      const restored = await host.restore(await guest.snapshot(), { disks: [bootableDisk()] });
      expect(await restored.stateHash()).toBe(await guest.stateHash());
      const again = await host.createGuest({ disks: [bootableDisk()], memory: 1 });
      again.serial.discard();
      await again.runTo(3_000_000);
      return [...lines, await again.stateHash()];
    });
    expect(there).toEqual(here);
    expect(here[0]).toMatch(/^what the guest writes to .* is kept in memory and thrown away at the end$/);
  });

  it('files are written, locked as long as the guest is there, and free once it is disposed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vetro-threads-'));
    try {
      const path = join(folder, 'disk.img');
      writeFileSync(path, bootableDisk());
      const host = await createHost();
      const options: GuestOptions = { disks: [{ image: pathToFileURL(path), write: 'through' }], memory: 1 };
      const guest = await host.createGuest(options);
      void guest.run();
      await guest.serial.waitFor('Q', { timeout: 20_000 });
      expect(String(await failure(host.createGuest(options)))).toMatch(/^UserError: .* is in use by this process/);
      expect(String(await failure(guest.snapshot()))).toMatch(/^StateError: guest 1 writes into .*: in a thread/);
      guest.stop();
      await guest[Symbol.asyncDispose]();
      expect(readFileSync(path)[1024]).toBe('Q'.charCodeAt(0));
      const second = await host.createGuest(options);
      second.dispose();
      await host[Symbol.asyncDispose]();
      expect(readdirSync(folder)).toEqual(['disk.img']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('media are exchanged', async () => {
    const [here, there] = await inBoth(async (host) => {
      const disc = new Uint8Array(2048 * 4);
      const [floppy] = [new Uint8Array(1_474_560)];
      const guest = await host.createGuest({ ...SPIN, cdrom: disc, floppies: [{ image: floppy }, {}] });
      const lines: string[] = [];
      guest.on('warning', (line) => lines.push(line));
      const cdrom = guest.cdrom!;
      const [a, b] = guest.floppies;
      const loaded = () => [cdrom, a, b].map((drive) => drive.loaded);
      const trail: unknown[] = [loaded()];
      await guest.runTo(1000);
      trail.push(cdrom.eject(), a.eject({ force: true }), loaded());
      await b.insert({ image: floppy, write: 'discard' });
      await cdrom.insert(disc);
      trail.push(loaded());
      for (const wrong of [new Uint8Array(5), '/no/such/file', {}, 5])
        trail.push(String(await failure(b.insert(wrong as Uint8Array))));
      expect(() => a.eject({ force: 1 } as object)).toThrow(UserError);
      await guest.runTo(2000);
      trail.push(loaded(), await guest.stateHash(), lines);
      guest.dispose();
      trail.push(String(await failure(a.insert(floppy))));
      return trail;
    });
    expect(there).toEqual(here);
    expect(here.slice(0, 5)).toEqual([[true, true, false], true, true, [false, false, false], [true, false, true]]);
  });

  it('nothing to boot', async () => {
    const [here, there] = await inBoth(async (host) => {
      const options = { disks: [new Uint8Array(2 ** 20)], memory: 1, onNothingToBoot: 'stop' } as const;
      const guest = await host.createGuest(options);
      return await guest.run();
    });
    expect(there).toEqual(here);
    expect(here.reason).toBe('nothing-to-boot');
  });

  it('what cannot be opened is refused', async () => {
    const [here, there] = await inBoth(async (host) =>
      String(await failure(host.createGuest({ name: 'x', disks: ['/no/such/disk.img'] }))),
    );
    expect(there).toBe(here);
    expect(here).toMatch(/^UserError: /);
  });
});

describe('snapshots of guests in threads', () => {
  it('are of one moment, also while they run, and go on in threads as in the caller’s', async () => {
    const host = await createHost();
    const guest = await host.createGuest({ boot: { image: demo }, memory: 2, name: 'demo', fuel: 1e12 });
    void guest.run();
    await guest.serial.waitFor('> ');
    guest.serial.write('help\r');
    const snapshots = [await guest.snapshot(), await guest.snapshot()];
    await guest.serial.waitFor('> ');
    snapshots.push(await guest.snapshot());
    guest.pause();
    for (const snapshot of snapshots) {
      const [here, there] = await inBoth(async (other) => {
        const restored = await other.restore(snapshot);
        expect([restored.name, restored.instructions]).toEqual(['demo', snapshot.instructions]);
        restored.serial.discard();
        const hashes = [await restored.stateHash()];
        await restored.runTo(snapshot.instructions + 300_000);
        return [...hashes, await restored.stateHash()];
      });
      expect(there).toEqual(here);
    }
    // The second one was at the guest's last instruction of then, no matter that it ran on meanwhile.
    expect(snapshots[1].instructions).toBeGreaterThanOrEqual(snapshots[0].instructions);
  });

  it('keep what is typed, sent and not yet read', async () => {
    const [here, there] = await inBoth(async (host) => {
      const guest = await host.createGuest({ boot: { image: KEYS }, memory: 1 });
      guest.keyboard.type('abc');
      await guest.runTo(5000);
      const restored = await host.restore(await guest.snapshot());
      const { pending } = restored.keyboard;
      await restored.serial.waitFor('!');
      return pending;
    });
    expect(there).toBe(here);
    expect(here).toBeGreaterThan(0);
  });

  it('to a file; a guest that is disposed meanwhile leaves none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vetro-threads-'));
    try {
      const host = await createHost();
      const guest = await host.createGuest({ boot: { image: demo }, memory: 64 });
      const path = join(folder, 'demo.vetro');
      await guest.runTo(1000);
      const { bytes, size } = await guest.snapshot({ to: path });
      expect([bytes, statSync(path).size]).toEqual([undefined, size]);
      const restored = await host.restore(pathToFileURL(path));
      expect(await restored.stateHash()).toBe(await guest.stateHash());
      const error = await failure(guest.snapshot({ to: join(folder, 'no', 'demo.vetro') }));
      expect(error).toBeInstanceOf(UserError);
      const lost = failure(guest.snapshot({ to: join(folder, 'lost.vetro') }));
      await Promise.resolve();
      guest.dispose();
      expect(String(await lost)).toBe('StateError: guest 1 was disposed while it was being saved');
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(readdirSync(folder)).toEqual(['demo.vetro']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('what is none is refused as in the caller’s thread', async () => {
    const [here, there] = await inBoth(async (host) => {
      const none: Uint8Array[] = [Uint8Array.of(1, 2, 3), new Uint8Array(10_000)];
      const errors: string[] = [];
      for (const bytes of none) errors.push(String(await failure(host.restore(bytes))));
      return [...errors, String(await failure(host.restore('/no/such/file')))];
    });
    expect(there).toEqual(here);
    expect(here.map((error) => error.split(':')[0])).toEqual(['UserError', 'UserError', 'UserError']);
  });
});

describe('a thread that dies', () => {
  it('takes its guests along, says which, and no others', async () => {
    const { threads, platform } = watchedPlatform();
    const host = await createHost({ platform });
    const [first, second, third] = [
      await host.createGuest({ ...SPIN, name: 'first' }),
      await host.createGuest({ ...SPIN, name: 'second' }),
      await host.createGuest({ boot: { image: demo }, memory: 2, name: 'third' }),
    ];
    third.serial.discard();
    const [clone] = await first.clone();
    const ends = [first.run(), clone.run()];
    const others = [second.runTo(3_000_000), third.runTo(3_000_000)];
    // It knows no such request.
    threads[0].post({ number: 0, kind: 'crash' });
    for (const end of await Promise.all(ends)) {
      if (end.reason !== 'error') throw new Error(end.reason);
      expect(end.error).toBeInstanceOf(InternalError);
      expect(end.error.message).toMatch(/^first(\.1)?: the thread of pool 1 has ended: .*crash/);
    }
    expect(await Promise.all(others)).toEqual(['reached', 'reached']);
    const alone = await createHost({ threads: 0 });
    for (const [guest, boot] of [
      [second, SPIN.boot],
      [third, { image: demo }],
    ] as const) {
      const same = await alone.createGuest({ boot, memory: guest === second ? 1 : 2 });
      same.serial.discard();
      await same.runTo(3_000_000);
      expect(await guest.stateHash()).toBe(await same.stateHash());
    }
    expect(() => first.reset()).toThrow(/^first is lost: the thread of pool 1 has ended/);
    expect(await failure(first.stateHash())).toBeInstanceOf(InternalError);
  });

  it('while nobody runs, too', async () => {
    const { threads, platform } = watchedPlatform();
    const host = await createHost({ platform });
    const guest = await host.createGuest(SPIN);
    const exit = new Promise((resolve) => guest.on('exit', resolve));
    threads[0].post({ number: 0, kind: 'crash' });
    expect(await exit).toMatchObject({ reason: 'error' });
    expect(guest.state).toBe('stopped');
  });
});
