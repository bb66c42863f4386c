/**
 * Calls of the BIOS with any registers, frames and pointers, as a hostile guest makes them: straight at its port, in
 * real-address mode or as a task in virtual-8086 mode of whose pages some are missing or read-only.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { VECTOR } from '../../src/cpu/fault.ts';
import { CR0 } from '../../src/cpu/register-bits.ts';
import { Random } from '../../src/difftest/random.ts';
import { SERVICE } from '../../src/firmware/service.ts';
import { bootImage, createBiosMachine } from './bios-machine.ts';
import { bootCd } from './boot-cd.ts';
import { processorTime } from './processor-time.ts';
import { monitor } from './virtual-8086.ts';

const MIB = 2 ** 20;
const PORT = { CALL: 0xce0, GO_ON: 0xce4, PROTECTED_PCI: 0xce8 } as const;
const FRAMES = 0x2_0000;
const BUFFER = 0x6_0000;
const FRAME = { ES: 0, DS: 2, DI: 4, SI: 8, BP: 12, BX: 20, DX: 24, CX: 28, AX: 32, NEXT: 36, SERVICE: 40 } as const;
const FRAME_SIZE = 48;
const SERVICES = Object.values(SERVICE).filter((service) => service !== SERVICE.POWER_ON);
const DRIVES = [0, 1, 0x80, 0x81, 0xe0, 0xe1, 0xff] as const;
const PAGE = 0x1000;
/** Page directory and table where no call writes by itself. */
const PAGES = { DIRECTORY: 0x80_0000, TABLE: 0x80_1000 } as const;
/** Bits of a page's entry in the table: there, writable, for tasks. */
const ACCESS = { none: 0, readable: 5, writable: 7 } as const;
const DIGEST_EVERY = 100;
/** What a task in virtual-8086 mode can address, and buffers that begin there. */
const REACHED = 0x15_0000;
/** Functions (AH) that some service has. */
const MOST_FUNCTIONS = 0x60;
const EXTENDED = [0x41, 0x42, 0x43, 0x44, 0x45, 0x47, 0x48, 0x4a, 0x4b, 0x4c, 0x4d, 0x87, 0xb1, 0xc0, 0xe8] as const;

export type BiosMode = 'real' | 'virtual-8086';

export interface BiosFuzzReport {
  /** Answered at once or in the end, by service. */
  readonly served: Map<number, number>;
  readonly faults: number;
  /** Most bytes that one call moved from or to memory. */
  readonly mostMoved: number;
  readonly mostWaiting: number;
  readonly largestState: number;
  /** Transfers between media and memory that ended. */
  readonly transfers: number;
  /** Milliseconds a call took on average. */
  readonly average: number;
  /** Of what the guest can see, after each call and now and then of all. */
  readonly digest: readonly string[];
}

export interface BiosFuzzOptions {
  readonly seed: number;
  readonly mode: BiosMode;
  /** In virtual-8086 mode: some pages are not there, or cannot be written. Default: true. */
  readonly missing?: boolean;
}

function createHostileBios(mode: BiosMode) {
  const cd = bootCd({ media: 2, image: new Uint8Array(MIB) });
  const program = mode === 'real' ? 'cli\nhlt' : monitor('jmp $');
  const machine = createBiosMachine({ floppy: bootImage(program), disks: [new Uint8Array(MIB)], cd });
  const { pc } = machine;
  const exit = pc.run({ instructions: 300_000 });
  if (exit.reason !== (mode === 'real' ? 'halted' : 'budget')) throw new Error(`it does not start: ${exit.reason}`);
  // Guest time is the test's: nobody executes anything.
  let now = pc.clock.now;
  pc.clock.setSource(() => now);
  const pass = (ns: number): void => {
    const end = now + ns;
    while (pc.clock.nextAlarm <= end) {
      now = Math.max(now, pc.clock.nextAlarm);
      pc.clock.fireDue();
      if (pc.clock.waitsFor) throw new Error('it waits for the host');
    }
    now = end;
  };
  const state = { moved: 0 };
  const { memory, processor } = pc;
  for (const target of [memory, processor.mmu] as object[]) {
    const counted = target as Record<string, (...given: never[]) => unknown>;
    for (const name of ['read', 'write']) {
      const access = counted[name].bind(target);
      counted[name] = (...given) => {
        state.moved++;
        return access(...given);
      };
    }
  }
  const copyIn = memory.copyIn.bind(memory);
  const copyOut = memory.copyOut.bind(memory);
  memory.copyIn = (address, bytes) => {
    state.moved += bytes.length;
    copyIn(address, bytes);
  };
  memory.copyOut = (address, length) => {
    state.moved += length;
    return copyOut(address, length);
  };
  return { ...machine, pass, state };
}
type HostileBios = ReturnType<typeof createHostileBios>;

/** Pages of a task: what is missing or read-only is put in when it is asked for, as a monitor does. */
class Pages {
  readonly #bios: HostileBios;
  faults = 0;

  constructor(bios: HostileBios) {
    this.#bios = bios;
  }

  set(page: number, access: keyof typeof ACCESS): void {
    const { memory, processor } = this.#bios.pc;
    memory.write(PAGES.TABLE + 4 * page, access === 'none' ? 0 : page * PAGE + ACCESS[access], 4);
    processor.mmu.flushPage(page * PAGE);
  }

  /** Tables that the task may have written over are made anew. */
  restore(): void {
    const { memory, processor } = this.#bios.pc;
    processor.state.cr3 = PAGES.DIRECTORY;
    // The BIOS writes as a supervisor, who may write everywhere without it.
    processor.state.cr0 |= CR0.WP;
    memory.write(PAGES.DIRECTORY, PAGES.TABLE + 7, 4);
    for (let page = 0; page < 1024; page++) memory.write(PAGES.TABLE + 4 * page, page * PAGE + 7, 4);
    processor.mmu.flush('all');
  }

  /** Again and again, until no page is missing. */
  attempt(action: () => void): void {
    for (let attempts = 0; ; attempts++) {
      this.#bios.state.moved = 0;
      try {
        return action();
      } catch (error) {
        const { vector, address } = error as { vector?: number; address?: number };
        if (vector !== VECTOR.PF || address === undefined) throw error;
        if (address >= REACHED) throw new Error(`it reaches for ${address.toString(16)}h`);
        if (attempts > REACHED / PAGE) throw new Error('it faults for ever');
        this.faults++;
        this.set(Math.floor(address / PAGE), 'writable');
      }
    }
  }
}

/** @throws what the BIOS throws, but for page faults in virtual-8086 mode */
export function fuzzBios(calls: number, { seed, mode, missing = true }: BiosFuzzOptions): BiosFuzzReport {
  const random = new Random(seed);
  const bios = createHostileBios(mode);
  const { pc, pass } = bios;
  const { memory, processor } = pc;
  const waiting = () => pc.bios!.state.calls;
  const pages = new Pages(bios);
  if (mode === 'virtual-8086') pages.restore();
  const served = new Map<number, number>();
  const digest: string[] = [];
  let hash = createHash('md5');
  const report = { mostMoved: 0, mostWaiting: 0, largestState: 0, transfers: 0 };

  const word = () => (random.oneIn(4) ? random.pick([0, 1, 0xffff, 0x8000, 0xfff0]) : random.below(0x1_0000));
  const segment = () => (random.oneIn(3) ? word() : random.pick([0, 0x40, BUFFER >>> 4, 0xb800, 0xf000, 0xffff]));
  const writeFrame = (at: number): number => {
    const service = random.oneIn(200) ? word() : random.pick(SERVICES);
    for (let offset = 0; offset < FRAME_SIZE; offset += 4)
      memory.write(at + offset, random.oneIn(3) ? random.below(8) : random.below(2 ** 32), 4);
    for (const offset of [FRAME.ES, FRAME.DS]) memory.write(at + offset, segment(), 2);
    for (const offset of [FRAME.DI, FRAME.SI, FRAME.BP, FRAME.BX]) memory.write(at + offset, word(), 2);
    memory.write(at + FRAME.SERVICE, service, 2);
    if (!random.oneIn(6)) {
      const ah = random.oneIn(3) ? random.pick(EXTENDED) : random.below(MOST_FUNCTIONS);
      memory.write(at + FRAME.AX + 1, ah, 1);
    }
    if (random.oneIn(2)) memory.write(at + FRAME.AX, random.below(4), 1);
    if (service === SERVICE.DISK) aimAtDisk(at);
    return service;
  };
  /** Sectors that there are, in a buffer or a packet that a program might have. */
  const aimAtDisk = (at: number): void => {
    if (!random.oneIn(8)) memory.write(at + FRAME.DX, random.pick(DRIVES), 1);
    if (random.oneIn(2)) memory.write(at + FRAME.DX + 1, random.below(2), 1);
    if (random.oneIn(2)) memory.write(at + FRAME.CX, 1 + random.below(17), 2);
    if (random.oneIn(2)) return;
    const [ds, si] = [random.oneIn(4) ? segment() : BUFFER >>> 4, word() & 0x7fff];
    memory.write(at + FRAME.DS, ds, 2);
    memory.write(at + FRAME.SI, si, 2);
    const packet = ds * 16 + si;
    if (packet < BUFFER || packet > BUFFER + 0x8000) return;
    memory.write(packet, random.pick([16, 24, 30, 66, random.below(0x1_0000)]), 2);
    memory.write(packet + 2, random.oneIn(2) ? random.below(20) : random.below(130), 2);
    memory.write(packet + 4, random.oneIn(4) ? 0xffff_ffff : segment() * 0x1_0000 + word(), 4);
    memory.write(packet + 8, random.oneIn(2) ? random.below(2048) : random.below(2 ** 32), 4);
    memory.write(packet + 12, random.oneIn(8) ? random.below(2 ** 32) : 0, 4);
    memory.write(packet + 16, random.below(2 ** 32), 4);
  };
  const disturb = () => {
    if (mode === 'virtual-8086') {
      if (random.oneIn(4)) {
        const [page, access] = [random.below(REACHED / PAGE), random.pick(['none', 'readable'] as const)];
        pages.set(page, missing ? access : 'writable');
      }
      if (random.oneIn(1000)) pages.restore();
    }
    // Data areas, vectors, the ROM's shadow: all are the guest's.
    if (random.oneIn(8)) memory.write(0x400 + random.below(0x100), random.below(256), 1);
    if (random.oneIn(200)) memory.write(random.below(0x400), random.below(256), 1);
    if (random.oneIn(10)) pass(random.below(random.pick([1000, 100_000, 10_000_000])));
    if (random.oneIn(50)) processor.ports.write(0x70, random.below(128), 1);
    if (random.oneIn(50)) processor.ports.write(0x71, random.below(256), 1);
    if (random.oneIn(500)) pc.keyboard[random.pick(['press', 'release'] as const)]('KeyA');
  };
  const start = processorTime();
  for (let call = 0; call < calls; call++) {
    disturb();
    const [first] = waiting();
    const goesOn = first !== undefined && random.oneIn(3);
    const again = goesOn ? random.pick(waiting()) : undefined;
    if (again?.memo?.length !== undefined && random.oneIn(2)) pass(5_000_000);
    const at = again?.place ?? (random.oneIn(50) ? segment() * 16 + word() : FRAMES + 64 * random.below(40));
    // The frame of a call that waits stays mostly as it is.
    const service = again && !random.oneIn(10) ? again.service : writeFrame(at);
    const port = again || random.oneIn(20) ? PORT.GO_ON : random.oneIn(200) ? PORT.PROTECTED_PCI : PORT.CALL;
    const place = port === PORT.PROTECTED_PCI ? at : ((at >>> 4) << 16) | (at & 15);
    const size = random.oneIn(300) ? 2 : 4;
    pages.attempt(() => processor.ports.write(port, place >>> 0, size));
    report.mostMoved = Math.max(report.mostMoved, bios.state.moved);
    report.mostWaiting = Math.max(report.mostWaiting, waiting().length);
    if (at < REACHED && memory.read(at + FRAME.NEXT, 2) === 0) {
      served.set(service, (served.get(service) ?? 0) + 1);
      if (again?.memo?.length !== undefined) report.transfers++;
    }
    hash.update(memory.copyOut(FRAMES, 64 * 41)).update(JSON.stringify(pc.bios!.state));
    if (call % DIGEST_EVERY === DIGEST_EVERY - 1) {
      hash.update(memory.copyOut(0, 0xa_0000));
      // The adapter's monochrome ports are not modelled, so its registers depend on how often mode 7 is set.
      hash.update(JSON.stringify(pc.surroundings().filter(([name]) => name !== 'vga'))).update(pc.vga.state.memory);
      digest.push(hash.digest('hex'));
      hash = createHash('md5');
    }
    if (call % 997 === 0) report.largestState = Math.max(report.largestState, sizeOf(pc.bios!.state));
    // Tables and vectors go to ruin; so now and then it begins anew.
    if (random.oneIn(20_000)) {
      processor.ports.write(0x70, 0, 1);
      pc.bios!.reset();
      if (mode === 'virtual-8086') pages.restore();
    }
  }
  const average = (processorTime() - start) / calls;
  pc.dispose();
  return { ...report, served, faults: pages.faults, average, digest };
}

const sizeOf = (state: object): number => JSON.stringify(structuredClone(state)).length;

const CD_BLOCK = 2048;
/** The longest transfer, of 128 blocks of a CD, beside which the rest is little. */
const MOST_MOVED = 2 * 128 * CD_BLOCK + 0x1_0000;
const MOST_WAITING = 16;
/** Milliseconds that a call may take on average, on a very busy machine. */
const SLOWEST = 5;

/** Fails if a call did too much, something grew, or too little was tried. */
export function expectSoundBios(report: BiosFuzzReport): void {
  expect(report.mostMoved).toBeLessThanOrEqual(MOST_MOVED);
  expect(report.mostWaiting).toBeLessThanOrEqual(MOST_WAITING);
  expect(report.largestState).toBeLessThan(16_384);
  expect(report.average).toBeLessThan(SLOWEST);
  expect(report.transfers).toBeGreaterThan(20);
  const neverServed = SERVICES.filter((service) => !report.served.has(service));
  // They go on to boot something, and do not come back.
  expect(neverServed.filter((service) => service !== SERVICE.NO_BOOT && service !== SERVICE.BOOT_STRAP)).toEqual([]);
}
