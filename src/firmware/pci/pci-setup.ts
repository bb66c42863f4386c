/**
 * What a BIOS does to PCI functions: interrupts are routed, addresses are given out, the ISA and power bridges get their
 * ports. PCI Local Bus Specification 2.1, section 6.2.5; 82371SB (PIIX3) and 82371AB (PIIX4).
 */
import type { PciPlace } from '../../bus/pci/pci-bus.ts';
import type { PortAccess } from '../board.ts';
import { PciAccess } from './pci-access.ts';

const CONFIG = { ID: 0x00, COMMAND: 0x04, CLASS: 0x0a, BAR: 0x10, ROM: 0x30, LINE: 0x3c, PIN: 0x3d } as const;
const BARS = 6;
const COMMAND = { IO: 1, MEMORY: 2 } as const;
const BAR_IO = 1;
const BAR_64_BIT = 4;

/** Where functions find room: ports, and bytes of memory, from the first to before the last. */
export const PCI_WINDOWS = { IO: [0xc000, 0x1_0000], MEMORY: [0xe000_0000, 0xfec0_0000] } as const;

const PIIX = { ISA: 0x7000_8086, IDE: 0x7010_8086, POWER: 0x7113_8086 } as const;
const PIRQ_ROUTES = 0x60;
/** Interrupts of PIRQ A–D. */
export const PIRQ_LINES = [10, 10, 11, 11] as const;
const LEVEL_CONTROL = { PORT: 0x4d1, LEVELS: 0x0c } as const;
/** PIIX4: base address, its enable, and the interrupt of ACPI. */
const POWER = { BASE: 0x40, MISCELLANEOUS: 0x80, ENABLE: 0x01 } as const;
export const PM_BASE = 0x600;
export const SCI_LINE = 9;
/** PIIX3 IDE: timing registers of the two channels, whose bit 15 lets a channel answer. */
const IDE = { TIMING: [0x40, 0x42], DECODE: 0x8000 } as const;

/** The PIRQ that pin 1–4 (A–D) of a device is wired to. */
export const pirqOfPin = (device: number, pin: number): number => (device + pin - 2) & 3;

export function setUpPci(ports: PortAccess): void {
  const pci = new PciAccess(ports);
  const room = { io: PCI_WINDOWS.IO[0] as number, memory: PCI_WINDOWS.MEMORY[0] as number };
  for (const place of [...pci.functions()]) {
    const id = pci.read(place, CONFIG.ID, 4);
    if (id === PIIX.ISA) for (const [pirq, line] of PIRQ_LINES.entries()) pci.write(place, PIRQ_ROUTES + pirq, line, 1);
    if (id === PIIX.IDE) for (const register of IDE.TIMING) pci.write(place, register, IDE.DECODE, 2);
    const decodes = giveAddresses(pci, place, room);
    pci.write(place, CONFIG.COMMAND, pci.read(place, CONFIG.COMMAND, 2) | decodes, 2);
    const pin = pci.read(place, CONFIG.PIN, 1);
    if (pin !== 0) pci.write(place, CONFIG.LINE, PIRQ_LINES[pirqOfPin(place.device, pin)], 1);
    if (id === PIIX.POWER) setUpPower(pci, place);
  }
  ports.write(LEVEL_CONTROL.PORT, LEVEL_CONTROL.LEVELS, 1);
}

function setUpPower(pci: PciAccess, place: PciPlace): void {
  pci.write(place, POWER.BASE, PM_BASE | 1, 4);
  pci.write(place, POWER.MISCELLANEOUS, POWER.ENABLE, 1);
  pci.write(place, CONFIG.COMMAND, pci.read(place, CONFIG.COMMAND, 2) | COMMAND.IO, 2);
  pci.write(place, CONFIG.LINE, SCI_LINE, 1);
}

/** @returns bits of the command register for what it has been given */
function giveAddresses(pci: PciAccess, place: PciPlace, room: { io: number; memory: number }): number {
  let decodes = 0;
  for (let index = 0; index < BARS; index++) {
    const register = CONFIG.BAR + 4 * index;
    const found = sizeOf(pci, place, register);
    if (found === undefined) continue;
    const { kind, size, isWide } = found;
    const first = Math.ceil(room[kind] / size) * size;
    const end = kind === 'io' ? PCI_WINDOWS.IO[1] : PCI_WINDOWS.MEMORY[1];
    // Without room it stays off: nothing answers at address 0.
    if (first + size <= end) {
      pci.write(place, register, first, 4);
      if (isWide) pci.write(place, register + 4, 0, 4);
      room[kind] = first + size;
      decodes |= kind === 'io' ? COMMAND.IO : COMMAND.MEMORY;
    } else pci.write(place, register, 0, 4);
    if (isWide) index++;
  }
  return decodes;
}

/** Software finds the size by writing all ones: bits below it stay 0. */
function sizeOf(pci: PciAccess, place: PciPlace, register: number) {
  pci.write(place, register, 0xffff_ffff, 4);
  const value = pci.read(place, register, 4);
  if (value === 0) return undefined;
  const kind = value & BAR_IO ? ('io' as const) : ('memory' as const);
  const mask = kind === 'io' ? value & 0xfffc : (value & ~0xf) >>> 0;
  const size = kind === 'io' ? 0x1_0000 - mask : 2 ** 32 - mask;
  return { kind, size, isWide: kind === 'memory' && (value & BAR_64_BIT) !== 0 };
}
