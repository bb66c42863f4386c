/**
 * What every virtio device offers, whatever it does and however it is reached: features, a configuration, queues. Virtual
 * I/O Device (VIRTIO) Version 1.2, chapter 2. A device is plain state and what it does with buffers; registers,
 * negotiation and interrupts are its transport's.
 */
import type { Device } from '../../bus/device.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Feature bits that belong to no device type. Section 6; section 6.3 for what is of old. */
export const FEATURE = {
  ANY_LAYOUT: 27,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  RING_RESET: 40,
} as const;

export interface VirtioDevice extends Device {
  /** Device ID: section 5. */
  readonly type: number;
  /** What a PCI function says of it: base class, subclass and programming interface, 8 bits each. */
  readonly classCode: number;
  /** Numbers of its own feature bits, as far as it offers them. */
  readonly features: readonly number[];
  /** Of each queue, in order: the most entries it may have, a power of two. */
  readonly queueSizes: readonly number[];
  /** Of its configuration space, in bytes. */
  readonly configSize: number;
  /** A byte of the configuration space: an offset below `configSize`. */
  readConfig(offset: number): number;
  writeConfig(offset: number, value: number): void;
  /** Called once, before anything else. */
  connect(transport: VirtioTransport): void;
  /**
   * Between two instructions: the driver has put something into a queue, or the device has asked for this (`schedule`).
   * What is done at once is bounded; the device asks to be called again for the rest.
   * @throws QueueError: the device needs a reset
   */
  onNotify(queue: number): void;
  /** The driver has set DRIVER_OK. */
  onReady?(): void;
  /** The driver has reset a queue: what was taken from it is not given back. */
  onQueueReset?(queue: number): void;
  /** The driver resets the device: all that it has negotiated and made available is void. */
  onDriverReset(): void;
}

/** A device's way to its driver. */
export interface VirtioTransport {
  /** The driver drives the device, so that there is somebody to hear of something. */
  readonly ready: boolean;
  /** The driver uses the interface of before version 1. */
  readonly legacy: boolean;
  /** Whether a feature was negotiated. */
  has(feature: number): boolean;
  queue(number: number): Virtqueue;
  /** Calls `onNotify` soon: at a guest time that depends on nothing but this one. */
  schedule(queue: number): void;
  /** What was just done takes the device so long, in ns of guest time: queues are not served again before. */
  occupy(time: number): void;
  /** The configuration space has changed; the driver is told by an interrupt. */
  configChanged(): void;
}
