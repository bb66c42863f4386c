/** The $PIR table: how interrupt pins of PCI devices are wired. "PCI IRQ Routing Table Specification" 1.0, Microsoft. */
import { pirqOfPin } from '../pci/pci-setup.ts';

const HEADER = 32;
const ENTRY = 16;
const ROUTER = { BUS: 0, DEVICE: 1, FUNCTION: 0, COMPATIBLE: 0x122e_8086 } as const;
/** The PIRQ registers of the router are what links are called by. */
const FIRST_LINK = 0x60;
/** Interrupts 3–7, 9–12, 14, 15. */
const POSSIBLE = 0xdef8;
/** Devices on the bus besides the host bridge; the ISA bridge is on the board, the others are slots. */
const DEVICES = 31;

export function pirTable(): Uint8Array {
  const bytes = new Uint8Array(HEADER + DEVICES * ENTRY);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('$PIR'));
  view.setUint16(4, 0x0100, true);
  view.setUint16(6, bytes.length, true);
  bytes[8] = ROUTER.BUS;
  bytes[9] = (ROUTER.DEVICE << 3) | ROUTER.FUNCTION;
  view.setUint32(12, ROUTER.COMPATIBLE, true);
  for (let device = 1; device <= DEVICES; device++) {
    const at = HEADER + (device - 1) * ENTRY;
    bytes[at + 1] = device << 3;
    for (let pin = 1; pin <= 4; pin++) {
      bytes[at + 2 + 3 * (pin - 1)] = FIRST_LINK + pirqOfPin(device, pin);
      view.setUint16(at + 3 + 3 * (pin - 1), POSSIBLE, true);
    }
    bytes[at + 14] = device === ROUTER.DEVICE ? 0 : device;
  }
  bytes[31] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
