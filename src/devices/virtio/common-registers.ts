/**
 * The registers that all virtio devices have, since version 1: VIRTIO_PCI_CAP_COMMON_CFG. Virtual I/O Device (VIRTIO)
 * Version 1.2, section 4.1.4.3.
 *
 * Not modelled: MSI-X; the vectors read as "none", which tells a driver that none was taken.
 */
import { type BlockRegister, RegisterBlock } from './register-block.ts';
import type { VirtioCore } from './virtio-core.ts';

/** Bytes. */
export const COMMON_LENGTH = 0x3c;
const NO_VECTOR = 0xffff;

/** What the driver has selected, part of the transport's state. */
export interface Selected {
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  queueSelect: number;
}

export function commonRegisters(core: VirtioCore, selected: Selected): RegisterBlock {
  const queue = () => core.state.queues[selected.queueSelect];
  const selector = (offset: number, size: 2 | 4, name: keyof Selected): BlockRegister => ({
    ...{ offset, size, read: () => selected[name] },
    write(value) {
      selected[name] = value;
    },
  });
  const area = (offset: number, name: 'descriptors' | 'driver' | 'device'): BlockRegister[] =>
    ([0, 1] as const).map((half) => ({
      ...{ offset: offset + 4 * half, size: 4, read: () => queue()?.[name][half] ?? 0 },
      write: (value) => core.placeQueue(selected.queueSelect, name, half, value),
    }));
  const vector = (offset: number): BlockRegister => ({ offset, size: 2, read: () => NO_VECTOR });
  return new RegisterBlock([
    selector(0x00, 4, 'deviceFeatureSelect'),
    { offset: 0x04, size: 4, read: () => core.offered(selected.deviceFeatureSelect) },
    selector(0x08, 4, 'driverFeatureSelect'),
    {
      ...{ offset: 0x0c, size: 4, read: () => core.driverFeatures(selected.driverFeatureSelect) },
      write: (value) => core.writeDriverFeatures(selected.driverFeatureSelect, value),
    },
    vector(0x10),
    { offset: 0x12, size: 2, read: () => core.state.queues.length },
    { offset: 0x14, size: 1, read: () => core.state.status, write: (value) => core.writeStatus(value) },
    { offset: 0x15, size: 1, read: () => core.state.generation },
    selector(0x16, 2, 'queueSelect'),
    {
      ...{ offset: 0x18, size: 2, read: () => queue()?.size ?? 0 },
      write: (value) => core.resizeQueue(selected.queueSelect, value),
    },
    vector(0x1a),
    {
      ...{ offset: 0x1c, size: 2, read: () => (queue()?.enabled ? 1 : 0) },
      write(value) {
        if (value === 1) core.enableQueue(selected.queueSelect);
      },
    },
    { offset: 0x1e, size: 2, read: () => (queue() ? selected.queueSelect : 0) },
    ...area(0x20, 'descriptors'),
    ...area(0x28, 'driver'),
    ...area(0x30, 'device'),
    // Where notification data would be configured: that feature is not offered.
    { offset: 0x38, size: 2, read: () => 0 },
    {
      ...{ offset: 0x3a, size: 2, read: () => 0 },
      write(value) {
        if (value === 1) core.resetQueue(selected.queueSelect);
      },
    },
  ]);
}
