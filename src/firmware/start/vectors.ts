/** The interrupt table as the BIOS leaves it. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupts". */
import { ROM_SEGMENT } from '../rom.ts';
import { ROM_LABELS } from '../rom-image.ts';

const SOFTWARE_VECTORS = 0x78;
/** Free for programs: 0000:0000. */
const USER_VECTORS = [0x60, 0x67] as const;
const LOWER_IRQS = [0x08, 0x0f] as const;
const UPPER_IRQS = [0x70, 0x77] as const;

/** Offsets in the BIOS's segment. */
const ENTRIES: ReadonlyMap<number, number> = new Map([
  [0x02, ROM_LABELS.nmi],
  [0x05, ROM_LABELS.print_screen],
  [0x08, ROM_LABELS.timer_interrupt],
  [0x09, ROM_LABELS.keyboard_interrupt],
  [0x0e, ROM_LABELS.diskette_interrupt],
  [0x10, ROM_LABELS.video],
  [0x11, ROM_LABELS.equipment],
  [0x12, ROM_LABELS.memory_size],
  [0x13, ROM_LABELS.disk],
  [0x14, ROM_LABELS.serial],
  [0x15, ROM_LABELS.system],
  [0x16, ROM_LABELS.keyboard],
  [0x17, ROM_LABELS.printer],
  [0x18, ROM_LABELS.enter_no_boot],
  [0x19, ROM_LABELS.boot_strap],
  [0x1a, ROM_LABELS.clock],
  [0x1d, ROM_LABELS.video_parameters],
  [0x1e, ROM_LABELS.diskette_parameters],
  [0x40, ROM_LABELS.diskette],
  [0x70, ROM_LABELS.enter_clock_interrupt],
  [0x75, ROM_LABELS.coprocessor_interrupt],
]);
/** Pointers to fonts: there are none. */
const NOWHERE = [0x1f, 0x43] as const;

const isWithin = (vector: number, [first, last]: readonly [number, number]): boolean =>
  vector >= first && vector <= last;

function entryOf(vector: number): number | undefined {
  if (isWithin(vector, USER_VECTORS) || vector >= SOFTWARE_VECTORS || NOWHERE.some((each) => each === vector))
    return undefined;
  const known = ENTRIES.get(vector);
  if (known !== undefined) return known;
  if (isWithin(vector, LOWER_IRQS)) return ROM_LABELS.end_lower_interrupt;
  return isWithin(vector, UPPER_IRQS) ? ROM_LABELS.end_upper_interrupt : ROM_LABELS.ignore;
}

/** 256 far pointers. */
export function interruptTable(): Uint8Array {
  const table = new DataView(new ArrayBuffer(4 * 256));
  for (let vector = 0; vector < 256; vector++) {
    const entry = entryOf(vector);
    if (entry === undefined) continue;
    table.setUint16(4 * vector, entry, true);
    table.setUint16(4 * vector + 2, ROM_SEGMENT, true);
  }
  return new Uint8Array(table.buffer);
}
