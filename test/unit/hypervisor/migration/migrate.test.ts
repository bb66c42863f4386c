/** Guests moved from one host to another, by way of the library. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assembleDemo } from '../../../../src/cli/demo.ts';
import {
  type Guest,
  type GuestOptions,
  Host,
  type MigrateOptions,
  type MigrationProgress,
  type ReceiveOptions,
  StateError,
  UserError,
} from '../../../../src/index.ts';
import { bootImage, FLOPPY_SIZE } from '../../../support/bios-machine.ts';
import { createBzImage } from '../../../support/bz-image.ts';
import { createDuplex, type WayOptions } from '../../../support/duplex.ts';
import { flatBoot } from '../../../support/flat-boot.ts';
import { pattern } from '../../../support/media.ts';

let here: Host;
let there: Host;

beforeEach(async () => {
  [here, there] = [await Host.create(), await Host.create()];
});
afterEach(async () => {
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
});

const demo = (more: Partial<GuestOptions> = {}) =>
  here.createGuest({ boot: { image: assembleDemo() }, memory: 1, name: 'demo', ...more });
const hashAt = async (guest: Guest, instructions: number): Promise<string> => {
  await guest.runTo(instructions);
  return guest.machine.stateHash();
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const SLOW: WayOptions = { chunk: 1000, wait: turn };

interface MoveOptions {
  readonly forth?: WayOptions;
  readonly back?: WayOptions;
  readonly send?: MigrateOptions;
  readonly receive?: ReceiveOptions;
}

async function move(guest: Guest, { forth, back, send, receive }: MoveOptions = {}) {
  const { source, destination } = createDuplex({ forth, back });
  const [moved, migration] = await Promise.all([there.receive(destination, receive), guest.migrate(source, send)]);
  return { moved, migration };
}

/** Both sides' outcome, where one of them fails. */
async function failToMove(guest: Guest, { forth, back, send, receive }: MoveOptions = {}) {
  const { source, destination } = createDuplex({ forth, back });
  const [received, sent] = await Promise.allSettled([there.receive(destination, receive), guest.migrate(source, send)]);
  const reasonOf = (outcome: PromiseSettledResult<unknown>): unknown =>
    outcome.status === 'rejected' ? outcome.reason : 'no error';
  expect(there.guests).toEqual([]);
  return { received: reasonOf(received), sent: reasonOf(sent) };
}

/** Writes to every page of 1 to 2 MiB, again and again, as fast as it can. */
const WRITES = flatBoot(`
  again: mov ecx, 256\nmov edi, 0x100000
  next: inc dword [edi]\nadd edi, 4096\nloop next\njmp again`);

describe('a guest that is moved', () => {
  it('goes on there as it would have here, and has ended here', async () => {
    const [guest, other] = [await demo(), await demo({ name: 'other' })];
    await guest.runTo(30_000);
    const { moved, migration } = await move(guest);
    expect(migration).toMatchObject({ instructions: 30_000, written: 0, throttle: 0 });
    expect([guest.state, guest.exitReason]).toEqual(['stopped', { reason: 'migrated' }]);
    expect([moved.name, moved.state, moved.instructions]).toEqual(['demo', 'created', 30_000]);
    expect(await hashAt(moved, 200_000)).toBe(await hashAt(other, 200_000));
  });

  it('runs while it is copied; who waits for its end hears of it', async () => {
    const [guest, other] = [await demo(), await demo({ name: 'other' })];
    const exit = guest.run();
    const { moved, migration } = await move(guest, { forth: SLOW, send: { downtime: 0 } });
    expect(await exit).toEqual({ reason: 'migrated' });
    expect(migration.rounds).toBeGreaterThan(3);
    expect(moved.instructions).toBe(migration.instructions);
    expect(moved.machine.stateHash()).toBe(await hashAt(other, migration.instructions));
    const later = migration.instructions + 100_000;
    expect(await hashAt(moved, later)).toBe(await hashAt(other, later));
  });

  it('is not handed over if it was stopped at once, and the other side hears of it', async () => {
    const guest = await demo();
    const { source, destination } = createDuplex();
    const sent = guest.migrate(source);
    guest.stop();
    const results = await Promise.allSettled([there.receive(destination), sent]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(results[1]).toMatchObject({ reason: { name: 'StateError' } });
  });

  it('takes no checkpoints where it comes to: that is said', async () => {
    const { destination } = createDuplex();
    await expect(there.receive(destination, { checkpoint: { to: 'saves' } })).rejects.toThrow('receive: checkpoint');
  });

  it('stands still from the beginning if there are to be no rounds', async () => {
    const guest = await demo();
    void guest.run();
    await guest.serial.waitFor('>');
    const at = guest.instructions;
    const { migration } = await move(guest, { forth: SLOW, send: { rounds: 0 } });
    expect(migration.rounds).toBe(0);
    expect(migration.instructions - at).toBeLessThan(5_000_000);
  });

  it('goes from engine to engine, to and fro', async () => {
    const [guest, other] = [await demo({ engine: 'jit' }), await demo({ name: 'other' })];
    await guest.runTo(30_000);
    const { moved } = await move(guest, { receive: { engine: 'interpreter', name: 'moved' } });
    expect(moved.name).toBe('moved');
    await moved.runTo(60_000);
    const { source, destination } = createDuplex();
    const [back] = await Promise.all([here.receive(destination, { engine: 'jit' }), moved.migrate(source)]);
    expect(await hashAt(back, 200_000)).toBe(await hashAt(other, 200_000));
  });

  it('boots again there as it would have here', async () => {
    const kernel = createBzImage({ code: Uint8Array.of(0xfa, 0x40, 0xa3, 0, 0, 0x60, 0, 0xeb, 0xf8) });
    const options = { boot: { kernel, initrd: pattern(100_000), commandLine: 'x' }, memory: 16 };
    const [guest, other] = [await here.createGuest(options), await here.createGuest(options)];
    for (const each of [guest, other]) await each.runTo(50_000);
    const { moved } = await move(guest);
    for (const each of [moved, other]) {
      await each.runTo(100_000);
      each.reset();
      await each.runTo(150_000);
    }
    expect(moved.machine.stateHash()).toBe(other.machine.stateHash());
  });

  it('that goes on here boots again as it would have', async () => {
    const kernel = createBzImage({ code: Uint8Array.of(0xfa, 0x40, 0xa3, 0, 0, 0x60, 0, 0xeb, 0xf8) });
    const options = { boot: { kernel, initrd: pattern(100_000), commandLine: 'x' }, memory: 16 };
    const [guest, other] = [await here.createGuest(options), await here.createGuest(options)];
    for (const each of [guest, other]) await each.runTo(50_000);
    const controller = new AbortController();
    await failToMove(guest, { send: { signal: controller.signal, onProgress: () => controller.abort() } });
    for (const each of [guest, other]) {
      each.reset();
      await each.runTo(150_000);
    }
    expect(guest.machine.stateHash()).toBe(other.machine.stateHash());
  });

  it('never runs here again', async () => {
    const guest = await demo();
    await move(guest);
    await expect(guest.run()).rejects.toThrow('demo has moved to another host');
    await expect(guest.snapshot()).rejects.toThrow('demo has moved to another host');
    expect(() => guest.reset()).toThrow(new StateError('demo has moved to another host'));
    expect(() => guest.step()).toThrow(StateError);
    await expect(guest.clone()).rejects.toThrow(StateError);
    await expect(guest.migrate(createDuplex().source)).rejects.toThrow('demo has stopped (migrated)');
  });

  it('is slowed down while it writes faster than can be copied, and not afterwards', async () => {
    const guest = await here.createGuest({ boot: { image: WRITES }, memory: 2 });
    void guest.run();
    const seen: MigrationProgress[] = [];
    const { source, destination } = createDuplex({ forth: SLOW });
    const received = there.receive(destination);
    const signal = AbortSignal.timeout(60_000);
    let stop = (): void => {};
    const enough = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const migrated = guest.migrate(source, {
      ...{ downtime: 0, rounds: 5, signal },
      onProgress: (progress) => {
        seen.push(progress);
        if (seen.length === 3) stop();
      },
    });
    await enough;
    const [moved, migration] = await Promise.all([received, migrated]);
    expect(seen.map(({ rounds }) => rounds)).toEqual([1, 2, 3, 4, 5]);
    expect(seen[0]!.written).toBeGreaterThan(200);
    expect(migration.throttle).toBeGreaterThanOrEqual(20);
    expect(moved.state).toBe('created');
  });
});

describe('what it says and is told', () => {
  it('goes with it, once: what nobody has read, what it has not taken, what comes while it stands still', async () => {
    const guest = await demo();
    void guest.run();
    await guest.serial.waitFor('>');
    guest.pause();
    guest.serial.write('ticks\r');
    await guest.runTo(guest.instructions + 200_000);
    guest.serial.write('tasks\r');
    guest.keyboard.type('hello');
    const waiting = { strokes: guest.keyboard.pending, bytes: guest.serial.pending };
    let typed = false;
    const back: WayOptions = {
      // READY comes: it stands still.
      wait: async () => {
        if (typed || !held(guest)) return;
        typed = true;
        guest.serial.write('mem\r');
        guest.keyboard.type('x');
        expect(() => guest.reset()).toThrow('demo is on its way to another host');
        expect(() => guest.pressPowerButton()).toThrow(StateError);
      },
    };
    const { moved } = await move(guest, { back });
    expect(typed).toBe(true);
    expect(moved.keyboard.pending).toBe(waiting.strokes + 2);
    expect(moved.serial.pending).toBe(waiting.bytes + 'mem\r'.length);
    void moved.run();
    await moved.serial.waitFor(/\d{1,4} ticks, \d\.\d\d seconds/);
    moved.pause();
    // Nothing of it is left here.
    const left: Uint8Array[] = [];
    for await (const bytes of guest.serial) left.push(bytes);
    expect(left).toEqual([]);
  });

  it('stays with it, once, if it stays', async () => {
    const guest = await demo();
    await guest.runTo(300_000);
    guest.serial.write('ticks\r');
    const { sent } = await failToMove(guest, {
      back: {
        wait: async () => {
          if (held(guest)) guest.serial.write('tasks\r');
        },
        cutAt: 20,
      },
    });
    expect(sent).toBeInstanceOf(UserError);
    void guest.run();
    await guest.serial.waitFor('Vetro demo');
    const { before } = await guest.serial.waitFor(/\d{1,4} ticks, \d\.\d\d seconds/);
    expect(before).not.toContain('Vetro demo');
    guest.pause();
  });
});

/** It stands still: what moves it is refused. */
function held(guest: Guest): boolean {
  try {
    guest.pressPowerButton();
    return false;
  } catch {
    return true;
  }
}

describe('a migration that fails', () => {
  it.each([
    ['by a name that cannot be', { receive: { name: '' } }, /name/],
    [
      'by drives that it has not',
      { receive: { cdrom: new Uint8Array(2048) } },
      /^restore: cdrom: the snapshot has no such drive$/,
    ],
  ])('%s leaves the guest here, and says why', async (_, options, message) => {
    const guest = await demo();
    void guest.run();
    const { source, destination } = createDuplex();
    const [received, sent] = await Promise.allSettled([
      there.receive(destination, options.receive as ReceiveOptions),
      guest.migrate(source, { patience: 300 }),
    ]);
    expect(received).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(message) } });
    expect(sent).toMatchObject({ status: 'rejected' });
    expect(guest.state).toBe('running');
    const { instructions } = guest;
    await turn();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(guest.instructions).toBeGreaterThan(instructions);
  });

  it('by a signal, at either side', async () => {
    const guest = await demo();
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(guest.migrate(createDuplex().source, { signal: aborted })).rejects.toThrow('enough');
    const controller = new AbortController();
    const first = await failToMove(guest, {
      send: { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) },
    });
    expect(first.sent).toMatchObject({ message: 'enough' });
    expect(first.received).toBeInstanceOf(UserError);
    const second = new AbortController();
    const { received, sent } = await failToMove(guest, {
      send: { onProgress: () => second.abort(new Error('no room')) },
      receive: { signal: second.signal },
    });
    expect(received).toMatchObject({ message: 'no room' });
    expect(sent).toMatchObject({ message: 'the other side has refused the guest: no room' });
    await guest.runTo(30_000);
  });

  it('for a guest that ends or is disposed meanwhile, and a host that is', async () => {
    const stopped = await demo();
    const first = await failToMove(stopped, { send: { onProgress: () => stopped.stop() } });
    expect(first.sent).toEqual(new StateError('demo has stopped (stopped)'));
    const disposed = await demo();
    const second = await failToMove(disposed, { send: { onProgress: () => disposed.dispose() } });
    expect(second.sent).toBeInstanceOf(StateError);
    const guest = await demo();
    const third = await failToMove(guest, { send: { onProgress: () => there.dispose() } });
    expect(third.received).toEqual(new StateError('the host was disposed while it received a guest'));
    expect(third.sent).toBeInstanceOf(UserError);
    await guest.runTo(30_000);
  });

  it('by silence: neither side waits for ever', async () => {
    const guest = await demo();
    const never = (): Promise<void> => new Promise(() => {});
    const silent = await failToMove(guest, {
      back: { wait: never },
      send: { patience: 50 },
      receive: { patience: 100 },
    });
    expect(silent.sent).toEqual(new UserError('the migration was broken off: no answer came within 50 ms'));
    const { received } = await failToMove(guest, {
      forth: { wait: never },
      send: { patience: 200 },
      receive: { patience: 50 },
    });
    expect(received).toEqual(new UserError('the migration was broken off: nothing has come for 50 ms'));
    await guest.runTo(30_000);
  });

  it('in the moment in which it is handed over leaves it held until its user has looked', async () => {
    const guest = await demo();
    void guest.run();
    const warnings: string[] = [];
    guest.on('warning', (line) => warnings.push(line));
    // Greeting and READY pass; DONE does not.
    const { source, destination } = createDuplex({ back: { cutAt: 24 } });
    const [received, sent] = await Promise.allSettled([there.receive(destination), guest.migrate(source)]);
    expect(received.status).toBe('fulfilled');
    expect(sent).toMatchObject({ status: 'rejected', reason: expect.any(StateError) });
    expect(warnings.at(-1)).toMatch(/^demo stands still: whether it runs at the other side is not known/);
    expect(guest.state).toBe('running');
    const { instructions } = guest;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(guest.instructions).toBe(instructions);
    expect(() => guest.reset()).toThrow('demo may run at another host: look there, and say so by resolveMigration');
    expect(() => guest.resolveMigration('perhaps' as 'moved')).toThrow(UserError);
    guest.resolveMigration('moved');
    expect(guest.exitReason).toEqual({ reason: 'migrated' });
    expect(() => guest.resolveMigration('stayed')).toThrow(new StateError('demo: it is known where it is'));
  });

  it('is one at a time', async () => {
    const guest = await demo();
    const { source, destination } = createDuplex({ forth: SLOW });
    const first = Promise.all([there.receive(destination), guest.migrate(source)]);
    await expect(guest.migrate(createDuplex().source)).rejects.toThrow('demo is being moved already');
    await first;
  });

  it.each([undefined, null, {}, { readable: {}, writable: {} }, 5, new Uint8Array(4)])(
    'by %s, which is no stream',
    async (odd) => {
      const guest = await demo();
      await expect(guest.migrate(odd as never)).rejects.toThrow(UserError);
      await expect(there.receive(odd as never)).rejects.toThrow(UserError);
    },
  );
});

describe('a guest with drives', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vetro-migration-'));
    writeFileSync(file('d.img'), pattern(2 ** 20));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Adds 1 to the first byte of sector 8 of a disk, again and again, and counts in memory at 6000h. */
  const COUNTER = `
    sti
    again: mov ah, 2\ncall transfer\ninc byte [0x8000]\nmov ah, 3\ncall transfer\ninc word [0x6000]\njmp again
    transfer: mov al, 1\nxor bx, bx\nmov es, bx\nmov bx, 0x8000\nmov cx, 0x0008\nmov dx, 0x0080\nint 0x13\nret`;
  const counting = (more: Partial<GuestOptions> = {}): Promise<Guest> =>
    here.createGuest({
      ...{ memory: 2, name: 'counter', boot: { order: ['floppy'] } },
      floppy: bootImage(COUNTER, FLOPPY_SIZE),
      disks: [file('d.img')],
      ...more,
    });
  const receive: ReceiveOptions = { floppy: bootImage(COUNTER, FLOPPY_SIZE) };

  it('has what it wrote to a disk whose writes are kept in memory', async () => {
    const [guest, other] = [await counting(), await counting({ name: 'other' })];
    await guest.runTo(700_000);
    expect(guest.machine.peek(0x6000, 1)[0]).toBeGreaterThan(0);
    guest.run().catch(() => {});
    const forth = { ...SLOW, chunk: 50_000 };
    const { moved, migration } = await move(guest, { forth, send: { downtime: 0, rounds: 3 }, receive });
    const later = migration.instructions + 100_000;
    expect(await hashAt(moved, later)).toBe(await hashAt(other, later));
  });

  it('that writes into a file is refused, in one line', async () => {
    const guest = await counting({ disks: [{ image: file('d.img'), write: 'through' }] });
    const { sent } = await failToMove(guest);
    expect(sent).toEqual(
      new UserError(`counter writes into ${file('d.img')}: a guest that writes into files cannot be moved yet`),
    );
    await guest.runTo(10_000);
  });

  it('whose image is not there, or was changed, is refused', async () => {
    const guest = await counting();
    const { source, destination } = createDuplex();
    writeFileSync(file('d.img'), pattern(2 ** 20).reverse());
    const [received, sent] = await Promise.allSettled([there.receive(destination, receive), guest.migrate(source)]);
    expect(received).toMatchObject({ reason: { message: expect.stringContaining('it has been changed since') } });
    expect(sent).toMatchObject({
      reason: { message: expect.stringMatching(/refused the guest: .*it has been changed/) },
    });
    await guest.runTo(10_000);
  });

  it('whose medium is exchanged meanwhile stays', async () => {
    const guest = await counting();
    const { sent } = await failToMove(guest, { receive, send: { onProgress: () => guest.floppies[0]!.eject() } });
    expect(sent).toEqual(new StateError('a medium of counter was exchanged while it was being moved'));
  });
});
