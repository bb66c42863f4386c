/** What firmware leaves behind of floppy drives and DMA, for guests that are booted without one. */
import type { DmaPair } from '../devices/dma-pair.ts';
import type { FloppyDrive } from '../devices/floppy/floppy-drive.ts';
import { DRIVES } from '../devices/floppy/floppy-format.ts';
import type { Rtc146818 } from '../devices/rtc146818.ts';

const CMOS = { FLOPPY_TYPES: 0x10, EQUIPMENT: 0x14 } as const;
/** Equipment byte: a drive is there, and their number less one. */
const EQUIPMENT = { FLOPPY: 0x01, FLOPPY_COUNT: 6, FLOPPY_BITS: 0xc1 } as const;
/** Registers of the upper DMA controller, and what makes its channel 0 pass the lower one's requests on. */
const DMA = { SINGLE_MASK: 10, MODE: 11, CASCADE_MODE: 0xc0, UNMASK: 0 } as const;

/** CMOS: the type of drive A in the high nibble, of drive B in the low one; how many there are. */
export function describeFloppies(rtc: Rtc146818, drives: readonly FloppyDrive[]): void {
  const [a = 0, b = 0] = drives.map(({ type }) => DRIVES[type].cmosType);
  rtc.writeCmos(CMOS.FLOPPY_TYPES, (a << 4) | b);
  const count = drives.length === 0 ? 0 : EQUIPMENT.FLOPPY | ((drives.length - 1) << EQUIPMENT.FLOPPY_COUNT);
  rtc.writeCmos(CMOS.EQUIPMENT, (rtc.readCmos(CMOS.EQUIPMENT) & ~EQUIPMENT.FLOPPY_BITS) | count);
}

export function cascadeDma({ upper }: DmaPair): void {
  upper.writePort(DMA.MODE, DMA.CASCADE_MODE);
  upper.writePort(DMA.SINGLE_MASK, DMA.UNMASK);
}
