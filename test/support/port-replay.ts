/** What firmware and drivers do to the ports of a PC, recorded, and done again with mutations. */
import { expect } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { Pc } from '../../src/machine/pc.ts';
import { bootImage } from './bios-machine.ts';
import { bootCd } from './boot-cd.ts';
import { BytesMedium, pattern } from './media.ts';
import { processorTime } from './processor-time.ts';
import { sharedCode } from './shared-code.ts';

const MIB = 2 ** 20;
const MEMORY = 2 * MIB;
/** Where our BIOS is called: a frame is memory's, not the ports'. */
const BIOS_PORTS = [0xce0, 0xceb] as const;
/** As JSON, where each of the 128 KiB that a drive may hold takes a dozen characters. */
const LARGEST_STATE = 6 * MIB;
/** Milliseconds that an access may take on average, on a busy machine. */
const SLOWEST = 0.5;

export interface PortAccess {
  readonly kind: 'read' | 'write';
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly value: number;
}

/** Identifies both drives, reads by PIO and by DMA, resets the floppy controller and reads a sector by its channel. */
const DRIVERS = `
  xor ax, ax
  mov ds, ax
  mov es, ax
  cld
  mov al, 0xa0
  mov dx, 0x1f6
  out dx, al
  mov al, 0xec
  call issue
  mov al, 0x20
  call issue
  mov dx, 0x176
  mov al, 0xa0
  out dx, al
  inc dx
  mov al, 0xa1
  out dx, al
  mov eax, 0x80000920
  mov dx, 0xcf8
  out dx, eax
  mov eax, 0xc001
  mov dx, 0xcfc
  out dx, eax
  mov eax, 0x80000904
  mov dx, 0xcf8
  out dx, eax
  mov ax, 5
  mov dx, 0xcfc
  out dx, ax
  mov dword [0x9000], 0xa000
  mov dword [0x9004], 0x80000200
  mov eax, 0x9000
  mov dx, 0xc004
  out dx, eax
  mov al, 8
  mov dx, 0xc000
  out dx, al
  mov dx, 0x1f7
  mov al, 0xc8
  out dx, al
  mov al, 9
  mov dx, 0xc000
  out dx, al
  mov si, floppy
  mov cx, count
again: lodsb
  mov dl, al
  mov dh, 0
  lodsb
  cmp dl, 0xf5
  jne port
  mov dh, 3
  push ax
  push cx
  mov cx, 0x4000
  loop $
  pop cx
  mov dl, 0xf4
  in al, dx
  pop ax
  mov dl, 0xf5
  port: cmp dl, 0xf2
  jne go
  mov dh, 3
go: out dx, al
  loop again
  cli
  hlt
issue:
  mov dx, 0x1f7
  out dx, al
  mov cx, 0xffff
  loop $
  in al, dx
  mov cx, 256
  mov dx, 0x1f0
.next: in ax, dx
  loop .next
  ret
floppy: db 0x0c, 0, 0x0b, 0x46, 4, 0, 4, 0x90, 0x81, 0, 5, 0xff, 5, 1, 0x0a, 2
  db 0xf2, 0x1c, 0xf5, 3, 0xf5, 0xaf, 0xf5, 2, 0xf5, 0x46, 0xf5, 0, 0xf5, 0, 0xf5, 0, 0xf5, 1, 0xf5, 2, 0xf5, 18, 0xf5, 27, 0xf5, 0xff
count equ ($ - floppy) / 2`;

function createPc(program: string): Pc {
  const disk = pattern(MIB);
  disk.set(bootImage(program, 512));
  const cd = bootCd({ media: 2, image: bootImage('cli\nhlt') });
  return new Pc({
    ...{ name: 'test', memoryBytes: MEMORY, cpu: 'i686', engine: 'interpreter', powerOnTime: 0, code: sharedCode() },
    boot: { bios: { order: ['disk'] } },
    disks: [new BytesMedium(disk)],
    cdrom: new BytesMedium(cd, { readOnly: true }),
    floppies: [{ medium: new BytesMedium(1440 * 1024) }, {}],
  });
}

/** Our BIOS, from power-on to its first boot sector, and what that does. */
export function recordPorts(): PortAccess[] {
  const pc = createPc(DRIVERS);
  const log: PortAccess[] = [];
  const { ports } = pc.processor;
  const { read, write } = { read: ports.read.bind(ports), write: ports.write.bind(ports) };
  const note = (access: PortAccess) => {
    if (access.port < BIOS_PORTS[0] || access.port > BIOS_PORTS[1]) log.push(access);
  };
  Object.assign(ports, {
    read(port: number, size: 1 | 2 | 4) {
      const value = read(port, size);
      note({ kind: 'read', port, size, value });
      return value;
    },
    write(port: number, value: number, size: 1 | 2 | 4) {
      note({ kind: 'write', port, size, value });
      write(port, value, size);
    },
  });
  const { reason } = pc.run({ instructions: 3_000_000 });
  if (reason !== 'halted') throw new Error(`the drivers do not end: ${reason} at ${pc.registers().eip.toString(16)}h`);
  pc.dispose();
  return log;
}

const SIZES = [1, 2, 4] as const;

function mutate(access: PortAccess, log: readonly PortAccess[], random: Random): PortAccess {
  const { kind, port, size, value } = access;
  switch (random.below(7)) {
    case 0:
      return { ...access, value: (value ^ (1 << random.below(8 * size))) >>> 0 };
    case 1:
      return { ...access, value: random.pick([0, 0xff, 0xffff_ffff, random.below(2 ** 32)]) % 2 ** (8 * size) };
    case 2:
      return { ...access, port: (port + random.below(16)) & 0xffff };
    case 3: {
      const other = random.pick(SIZES);
      return { ...access, size: other, value: value % 2 ** (8 * other) };
    }
    case 4:
      return { ...access, kind: kind === 'read' ? 'write' : 'read' };
    case 5:
      return { ...random.pick(log), value: value & 0xff };
    default:
      return random.pick(log);
  }
}

/** Replays `accesses` of them, with one in ten changed; fails if one throws, answers out of range, or anything grows. */
export function replayPorts(log: readonly PortAccess[], accesses: number, seed: number): void {
  const random = new Random(seed);
  const pc = createPc('cli\nhlt');
  pc.run({ instructions: 100_000 });
  let now = pc.clock.now;
  pc.clock.setSource(() => now);
  pc.serial.onOutput = () => {};
  pc.debugConsole.onOutput = () => {};
  const pass = (ns: number) => {
    const end = now + ns;
    for (; pc.clock.nextAlarm <= end; pc.clock.fireDue()) now = Math.max(now, pc.clock.nextAlarm);
    now = end;
  };
  const { ports } = pc.processor;
  const touched = new Set<number>();
  let largest = 0;
  const start = processorTime();
  for (let done = 0, at = 0; done < accesses; done++, at++) {
    if (at >= log.length || random.oneIn(2000)) at = random.oneIn(2) ? 0 : random.below(log.length);
    const access = random.oneIn(10) ? mutate(log[at], log, random) : log[at];
    const { kind, port, size, value } = access;
    if (port + size > BIOS_PORTS[0] && port <= BIOS_PORTS[1]) continue;
    touched.add(port);
    if (kind === 'write') ports.write(port, value, size);
    else {
      const answer = ports.read(port, size);
      if (!(Number.isInteger(answer) && answer >= 0 && answer < 2 ** (8 * size)))
        throw new Error(`${port.toString(16)}h read as ${answer}`);
    }
    if (random.oneIn(3)) pass(random.below(random.oneIn(100) ? 10_000_000 : 20_000));
    if (done % 4096 === 0) largest = Math.max(largest, JSON.stringify(chipsOf(pc)).length);
    if (random.oneIn(50_000)) {
      pc.serial.flush();
      pc.debugConsole.flush();
      pc.reset();
    }
  }
  const average = (processorTime() - start) / accesses;
  expect(pc.memoryInUse).toBeLessThanOrEqual(MEMORY + MIB);
  expect(largest).toBeLessThan(LARGEST_STATE);
  expect(average).toBeLessThan(SLOWEST);
  expect(touched.size).toBeGreaterThan(100);
  pc.dispose();
}

/** Text memory has a size of its own. */
const chipsOf = (pc: Pc) => pc.surroundings().filter(([name]) => name !== 'vga');
