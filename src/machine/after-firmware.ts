/** What firmware has done to the chips before it starts a boot image, for guests that are booted without one. */
import { COMMAND, CONFIG } from '../bus/pci/config-space.ts';
import { configAddress, type PciBus } from '../bus/pci/pci-bus.ts';
import type { DmaPair } from '../devices/dma-pair.ts';
import type { Fdc82077 } from '../devices/floppy/fdc82077.ts';
import { I440FX_REGISTER } from '../devices/pci/i440fx.ts';
import { PIIX3_IDE } from '../devices/pci/piix3-ide.ts';
import type { Port92 } from '../devices/port92.ts';
import type { Rtc146818 } from '../devices/rtc146818.ts';
import type { PortAccess } from '../firmware/board.ts';
import { setUpPci } from '../firmware/pci/pci-setup.ts';
import { cascadeDma, describeFloppies } from './floppy-setup.ts';
import { BUS_MASTER_IDE_PORT, MEMORY, PCI } from './pc-map.ts';

/** Port 92h, bit 1: firmware leaves A20 open. */
const FAST_A20 = 0x02;
/** CMOS: memory above 1 MiB in KiB (at most 63 MiB), and above 16 MiB in units of 64 KiB, low byte first. */
const CMOS = { BASE_LOW: 0x15, EXTENDED_LOW: 0x17, EXTENDED_LOW_TOO: 0x30, ABOVE_16M_LOW: 0x34 } as const;
/** Reads and writes of all segments go to RAM; the lower half of the first register is reserved. */
const ALL_SHADOWED = [0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33] as const;

export interface FirmwareChips {
  readonly port92: Port92;
  readonly rtc: Rtc146818;
  readonly pci: PciBus;
  readonly dma: DmaPair;
  readonly floppy: Fdc82077;
  /** Where there are cards in PCI slots: by these ports they get addresses and interrupts. */
  readonly slots?: PortAccess | undefined;
}

/** `memoryBytes`: RAM of the guest. */
export function leaveAsFirmware({ port92, rtc, pci, dma, floppy, slots }: FirmwareChips, memoryBytes: number): void {
  port92.writePort(0, FAST_A20);
  describeMemory(rtc, memoryBytes);
  describeFloppies(rtc, floppy.drives);
  cascadeDma(dma);
  for (const [index, value] of ALL_SHADOWED.entries())
    pci.write(configAddress(PCI.HOST_BRIDGE, I440FX_REGISTER.PAM0 + index), value, 1);
  const writeIde = (register: number, value: number, size: 2 | 4): void =>
    pci.write(configAddress(PCI.IDE, register), value, size);
  for (const timing of PIIX3_IDE.IDETIM) writeIde(timing, PIIX3_IDE.DECODE_ENABLE, 2);
  writeIde(PIIX3_IDE.BUS_MASTER_BASE, BUS_MASTER_IDE_PORT, 4);
  writeIde(CONFIG.COMMAND, COMMAND.IO | COMMAND.BUS_MASTER, 2);
  if (slots) setUpPci(slots);
}

/** CMOS: how much there is. */
export function describeMemory(rtc: Rtc146818, bytes: number): void {
  const writeWord = (register: number, value: number): void => {
    rtc.writeCmos(register, value & 0xff);
    rtc.writeCmos(register + 1, value >>> 8);
  };
  const extended = Math.min(bytes / 1024 - 1024, 0xfc00);
  writeWord(CMOS.BASE_LOW, MEMORY.CONVENTIONAL[1] / 1024 + 1);
  writeWord(CMOS.EXTENDED_LOW, extended);
  writeWord(CMOS.EXTENDED_LOW_TOO, extended);
  writeWord(CMOS.ABOVE_16M_LOW, Math.max(0, bytes / 65536 - 256));
}
