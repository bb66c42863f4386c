/**
 * What a virtio transport keeps of a device and its driver: status, features, queues, what waits to be served, and the
 * interrupt. Virtual I/O Device (VIRTIO) Version 1.2, chapters 2 and 3. How registers show it is the transport's.
 *
 * Queues are served by an alarm, soon after the driver has notified, and so between two instructions: what a device does
 * then may change memory under any translation.
 */
import type { Alarm, VirtualClock } from '../../base/virtual-clock.ts';
import type { Device } from '../../bus/device.ts';
import type { DmaMemory } from '../../bus/dma-memory.ts';
import type { IrqLine } from '../../bus/irq-line.ts';
import { FEATURE, type VirtioDevice, type VirtioTransport } from './virtio-device.ts';
import { idleQueue, QueueError, type QueueState, Virtqueue, type WideAddress } from './virtqueue.ts';

export const STATUS = { FEATURES_OK: 0x08, DRIVER_OK: 0x04, NEEDS_RESET: 0x40 } as const;
export const ISR = { QUEUE: 1, CONFIG: 2 } as const;
/** Guest time, in ns, from a notification to the queue's being served. */
export const SERVICE_TIME = 1_000;
const WORDS = 2;
/** Those of every device here. */
const COMMON_FEATURES = [
  ...[FEATURE.ANY_LAYOUT, FEATURE.INDIRECT_DESC, FEATURE.EVENT_IDX],
  ...[FEATURE.VERSION_1, FEATURE.RING_RESET],
] as const;

export interface VirtioCoreWiring {
  readonly clock: VirtualClock;
  readonly memory: DmaMemory;
  readonly device: VirtioDevice;
  readonly interrupt: IrqLine;
  /** The device may reach memory now, by a driver of that kind. */
  readonly mayMaster: (driver: { readonly legacy: boolean }) => boolean;
}

interface VirtioCoreState {
  status: number;
  /** The driver has come by the legacy interface. */
  legacy: boolean;
  /** As the driver has written them, by words of 32 bits. */
  driverFeatures: number[];
  isr: number;
  /** Of the configuration space: 8 bits; and whether it was read since it changed. */
  generation: number;
  configRead: boolean;
  queues: QueueState[];
  /** Queues to be served, by bit, and the guest time when; undefined: nothing waits, or nothing may be served. */
  notified: number;
  serviceAt: number | undefined;
  /** Guest time before which the device serves no queue. */
  occupiedUntil: number;
}

export class VirtioCore implements Device, VirtioTransport {
  readonly name: string;
  readonly stateVersion = 1;
  readonly state: VirtioCoreState;
  readonly #wiring: VirtioCoreWiring;
  /** By words of 32 bits. */
  readonly #offered: readonly number[];
  #queues: readonly Virtqueue[] = [];
  #alarm: Alarm | undefined;

  constructor(wiring: VirtioCoreWiring) {
    this.#wiring = wiring;
    const { device } = wiring;
    this.name = `${device.name}-queues`;
    this.#offered = featureWords([...COMMON_FEATURES, ...device.features]);
    this.state = this.#initialState();
    this.#bindQueues();
    device.connect(this);
  }

  get ready(): boolean {
    return (this.state.status & (STATUS.DRIVER_OK | STATUS.NEEDS_RESET)) === STATUS.DRIVER_OK;
  }

  get legacy(): boolean {
    return this.state.legacy;
  }

  has(feature: number): boolean {
    const { driverFeatures, legacy, status } = this.state;
    if (legacy ? feature >= 32 : (status & STATUS.FEATURES_OK) === 0) return false;
    const word = feature >>> 5;
    return (((driverFeatures[word] & this.#offered[word]) >>> (feature & 31)) & 1) !== 0;
  }

  queue(number: number): Virtqueue {
    return this.#queues[number];
  }

  schedule(queue: number): void {
    this.state.notified |= 1 << queue;
    this.follow();
  }

  occupy(time: number): void {
    const { state } = this;
    state.occupiedUntil = Math.max(this.#wiring.clock.now, state.occupiedUntil) + time;
  }

  configChanged(): void {
    const { state } = this;
    if (state.configRead) {
      state.generation = (state.generation + 1) & 0xff;
      state.configRead = false;
    }
    if (this.ready) this.#interrupt(ISR.CONFIG);
  }

  /** The driver has notified a queue; one that there is not is nobody's. */
  notify(queue: number): void {
    if (queue < this.state.queues.length) this.schedule(queue);
  }

  /** Word `select` of the features offered. */
  offered(select: number): number {
    return this.#offered[select] ?? 0;
  }

  driverFeatures(select: number): number {
    return this.state.driverFeatures[select] ?? 0;
  }

  /** Not once they are agreed upon (3.1.1); of a legacy driver, not once it drives the device. */
  writeDriverFeatures(select: number, value: number): void {
    const { state } = this;
    const agreed = state.status & (STATUS.FEATURES_OK | STATUS.DRIVER_OK);
    if (select < WORDS && agreed === 0) state.driverFeatures[select] = value >>> 0;
  }

  /** 0 resets the device (2.1). */
  writeStatus(value: number): void {
    const { state } = this;
    if (value === 0) return this.resetByDriver();
    const wasReady = this.ready;
    // The device's own bit stays, and only a reset takes back what was agreed upon.
    const kept = state.status & (STATUS.NEEDS_RESET | STATUS.FEATURES_OK);
    const refused = state.legacy || this.#acceptsFeatures() ? 0 : STATUS.FEATURES_OK;
    state.status = (value & ~STATUS.NEEDS_RESET & ~refused & 0xff) | kept;
    if (this.ready && !wasReady) this.#wiring.device.onReady?.();
    this.follow();
  }

  /** Status 0, all at once. */
  resetByDriver(): void {
    const { occupiedUntil } = this.state;
    this.reset();
    this.state.occupiedUntil = occupiedUntil;
    this.#wiring.device.onDriverReset();
    this.resume();
  }

  /** The driver has come by the interface of before version 1. */
  comeByLegacy(): void {
    this.state.legacy = true;
  }

  /** A byte of the device's configuration space; behind it there is nothing. */
  readConfig(offset: number): number {
    const { device } = this.#wiring;
    this.state.configRead = true;
    return offset < device.configSize ? device.readConfig(offset) & 0xff : 0;
  }

  writeConfig(offset: number, value: number): void {
    const { device } = this.#wiring;
    if (offset < device.configSize) device.writeConfig(offset, value);
  }

  /** ISR: reading it clears it and lowers the interrupt (4.1.4.5). */
  takeIsr(): number {
    const { isr } = this.state;
    this.state.isr = 0;
    this.#wiring.interrupt.set(0);
    return isr;
  }

  /** Only before it is enabled, and only to a power of two up to what it may be. */
  resizeQueue(number: number, size: number): void {
    const queue = this.state.queues[number];
    if (queue && !queue.enabled && this.#maySize(number, size)) queue.size = size;
  }

  /** `half`: 0 the low doubleword. Only before the queue is enabled. */
  placeQueue(number: number, area: 'descriptors' | 'driver' | 'device', half: 0 | 1, value: number): void {
    const queue = this.state.queues[number];
    if (queue && !queue.enabled) queue[area][half] = value >>> 0;
  }

  enableQueue(number: number): void {
    const queue = this.state.queues[number];
    if (queue) queue.enabled = true;
  }

  resetQueue(number: number): void {
    const queue = this.state.queues[number];
    if (!queue) return;
    Object.assign(queue, idleQueue(this.#wiring.device.queueSizes[number]));
    this.state.notified &= ~(1 << number);
    this.#wiring.device.onQueueReset?.(number);
  }

  /** Places all areas of a queue at once and enables it. */
  installQueue(number: number, areas: Pick<QueueState, 'descriptors' | 'driver' | 'device'>): void {
    const queue = this.state.queues[number];
    if (!queue) return;
    const { size } = queue;
    const copy = ([low, high]: WideAddress): WideAddress => [low, high];
    Object.assign(queue, idleQueue(size), {
      ...{ descriptors: copy(areas.descriptors), driver: copy(areas.driver), device: copy(areas.device) },
      enabled: true,
    });
  }

  /** Whether something can be served may have changed. */
  follow(): void {
    const { state } = this;
    if (state.notified === 0 || state.serviceAt !== undefined || !this.#mayServe) return;
    state.serviceAt = Math.max(this.#wiring.clock.now + SERVICE_TIME, state.occupiedUntil);
    this.#setAlarm();
  }

  reset(): void {
    Object.assign(this.state, this.#initialState());
    this.#alarm?.cancel();
    this.#alarm = undefined;
  }

  resume(): void {
    // What a damaged snapshot says shall not make a chain of descriptors longer than it can be.
    for (const [number, queue] of this.state.queues.entries())
      if (!this.#maySize(number, queue.size)) Object.assign(queue, idleQueue(this.#wiring.device.queueSizes[number]));
    this.#bindQueues();
    this.#alarm?.cancel();
    this.#alarm = undefined;
    this.#setAlarm();
    this.#wiring.interrupt.set(this.state.isr ? 1 : 0);
  }

  #maySize(number: number, size: number): boolean {
    return size > 0 && size <= this.#wiring.device.queueSizes[number] && Number.isInteger(Math.log2(size));
  }

  #initialState(): VirtioCoreState {
    return {
      ...{ status: 0, legacy: false, driverFeatures: [0, 0], isr: 0, generation: 0, configRead: false },
      queues: this.#wiring.device.queueSizes.map((size) => idleQueue(size)),
      ...{ notified: 0, serviceAt: undefined, occupiedUntil: 0 },
    };
  }

  /** After `state.queues` was replaced. */
  #bindQueues(): void {
    const { memory } = this.#wiring;
    const features = () => ({ indirect: this.has(FEATURE.INDIRECT_DESC), eventIndex: this.has(FEATURE.EVENT_IDX) });
    this.#queues = this.state.queues.map((state) => new Virtqueue(state, { memory, features }));
  }

  /** None that was not offered, and version 1 among them (2.2.2, 6.2). */
  #acceptsFeatures(): boolean {
    const { driverFeatures } = this.state;
    const stranger = driverFeatures.some((word, select) => (word & ~this.#offered[select]) !== 0);
    return !stranger && (driverFeatures[1] & (1 << (FEATURE.VERSION_1 - 32))) !== 0;
  }

  /** Old drivers use queues before they set DRIVER_OK (2.1.2, legacy interface: 3.1.2). */
  get #mayServe(): boolean {
    const { legacy, status } = this.state;
    if ((status & STATUS.NEEDS_RESET) !== 0 || (!legacy && (status & STATUS.DRIVER_OK) === 0)) return false;
    return this.#wiring.mayMaster({ legacy });
  }

  #setAlarm(): void {
    const { serviceAt } = this.state;
    if (serviceAt !== undefined) this.#alarm = this.#wiring.clock.setAlarm(serviceAt, () => this.#serve());
  }

  #serve(): void {
    const { state } = this;
    this.#alarm = undefined;
    state.serviceAt = undefined;
    if (!this.#mayServe) return;
    const { notified } = state;
    state.notified = 0;
    try {
      for (const [number, queue] of this.#queues.entries()) {
        if (((notified >>> number) & 1) === 0 || !queue.state.enabled) continue;
        this.#wiring.device.onNotify(number);
        if (queue.takeInterrupt()) this.#interrupt(ISR.QUEUE);
      }
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      this.#needReset();
    }
  }

  /** Nothing is served until the driver has reset the device. */
  #needReset(): void {
    const { state } = this;
    const wasReady = this.ready;
    state.status |= STATUS.NEEDS_RESET;
    if (wasReady && !state.legacy) this.#interrupt(ISR.CONFIG);
  }

  #interrupt(cause: number): void {
    this.state.isr |= cause;
    this.#wiring.interrupt.set(1);
  }
}

function featureWords(features: readonly number[]): readonly number[] {
  const words: number[] = new Array(WORDS).fill(0);
  for (const feature of features) words[feature >>> 5] |= 1 << (feature & 31);
  return words.map((word) => word >>> 0);
}
