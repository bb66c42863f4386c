/**
 * The registers of a virtio device before version 1: the ports of base address 0. Virtual I/O Device (VIRTIO) Version
 * 1.2, sections 4.1.4.10 ("Legacy Interfaces: A Note on PCI Device Layout") and 2.7.2.
 *
 * Not modelled: MSI-X, whose two vector registers would move the device's configuration from 14h to 18h.
 */
import { type BlockRegister, RegisterBlock } from './register-block.ts';
import type { VirtioCore } from './virtio-core.ts';

/** Where the device's configuration begins. */
export const LEGACY_CONFIG = 0x14;
/** The device area lies on a page of its own (2.7.2). */
const ALIGNMENT = 4096;

/** `selected`: which queue the registers are of; the modern registers select another way, by the same means. */
export function legacyRegisters(core: VirtioCore, selected: { queueSelect: number }): RegisterBlock {
  const queue = () => core.state.queues[selected.queueSelect];
  const registers: BlockRegister[] = [
    { offset: 0x00, size: 4, read: () => core.offered(0) },
    {
      ...{ offset: 0x04, size: 4, read: () => core.driverFeatures(0) },
      write: (value) => byLegacy(core, () => core.writeDriverFeatures(0, value)),
    },
    {
      ...{ offset: 0x08, size: 4, read: () => pageOf(queue()?.descriptors[0], queue()?.descriptors[1]) },
      write: (value) => byLegacy(core, () => placeQueue(core, selected.queueSelect, value)),
    },
    { offset: 0x0c, size: 2, read: () => queue()?.size ?? 0 },
    {
      ...{ offset: 0x0e, size: 2, read: () => selected.queueSelect },
      write(value) {
        selected.queueSelect = value;
      },
    },
    { offset: 0x10, size: 2, read: () => 0, write: (value) => byLegacy(core, () => core.notify(value)) },
    {
      ...{ offset: 0x12, size: 1, read: () => core.state.status },
      write: (value) => (value === 0 ? core.resetByDriver() : byLegacy(core, () => core.writeStatus(value))),
    },
    { offset: 0x13, size: 1, read: () => core.takeIsr() },
  ];
  return new RegisterBlock(registers);
}

function byLegacy(core: VirtioCore, write: () => void): void {
  core.comeByLegacy();
  write();
}

const pageOf = (low = 0, high = 0): number => (high * 2 ** 32 + low) / ALIGNMENT;

/** All areas lie in a row, from a page on; page 0 gives the queue up. */
function placeQueue(core: VirtioCore, number: number, page: number): void {
  if (page === 0) return core.resetQueue(number);
  const { size } = core.state.queues[number] ?? { size: 0 };
  const descriptors = page * ALIGNMENT;
  const driver = descriptors + 16 * size;
  // Flags, idx, entries, used_event.
  const device = Math.ceil((driver + 2 * (3 + size)) / ALIGNMENT) * ALIGNMENT;
  core.installQueue(number, { descriptors: wide(descriptors), driver: wide(driver), device: wide(device) });
}

const wide = (address: number): [number, number] => [address % 2 ** 32, Math.floor(address / 2 ** 32)];
