/**
 * KVM's paravirtual interface, as far as a guest asks it for time: its signature in CPUID, kvmclock and stolen time. Linux,
 * Documentation/virt/kvm/x86, "KVM CPUID bits", "KVM-specific MSRs".
 *
 * The time-stamp counter goes at one rate for good, and guest time with it, so the page that says how to get one from the
 * other changes only where the guest moves the counter. What is told of stolen time is outside input.
 *
 * Not modelled: all else of KVM (asynchronous page faults, its end of interrupts, calls to the host, the PTP clock); a guest
 * sees in CPUID that it is not there. `preempted` is always 0: a guest of one processor has nobody to ask for it.
 */
import type { Device } from '../bus/device.ts';
import type { DmaMemory } from '../bus/dma-memory.ts';

/** "KVMKVMKVM", in EBX, ECX and EDX. */
const SIGNATURE = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d] as const;
const LEAF = { SIGNATURE: 0x4000_0000, FEATURES: 0x4000_0001 } as const;
/** Both pairs of registers of the clock; stolen time; the clock never goes back. */
const FEATURES = (1 << 0) | (1 << 3) | (1 << 5) | (1 << 24);

const MSR = {
  OLD_WALL_CLOCK: 0x11,
  OLD_SYSTEM_TIME: 0x12,
  WALL_CLOCK: 0x4b56_4d00,
  SYSTEM_TIME: 0x4b56_4d01,
  STEAL_TIME: 0x4b56_4d03,
} as const;
const ENABLE = 1n;
/** Of the register of stolen time. */
const RESERVED = 0x3en;
/** Of a page that ends where physical addresses do: beyond, nothing answers. */
const LAST_ADDRESS = 2n ** 36n - 64n;

const NS_PER_MS = 1_000_000;
/** ns = ((ticks << 1) × 2^31) >> 32: a tick is a ns. */
const SCALE = { MULTIPLIER: 0x8000_0000, SHIFT: 1 } as const;
const TIME_IS_STABLE = 1;

export interface KvmClockWiring {
  readonly memory: Pick<DmaMemory, 'write'>;
  /** Guest time, in ns. */
  readonly clock: { readonly now: number };
  /** What RDTSC gives. */
  readonly timeStamp: () => bigint;
  /** Of the wall clock, in ms since 1970, when guest time was 0. */
  readonly powerOnTime: number;
}

/** Its registers are model-specific ones, and its pages the guest's memory. */
export class KvmClock implements Device {
  readonly name = 'kvm clock';
  readonly stateVersion = 1;
  readonly state = {
    /** Of the wall clock at guest time 0, in ms since 1970. */
    powerOnTime: 0,
    /** What was written to the registers. */
    wallClock: 0n,
    systemTime: 0n,
    stealTime: 0n,
    /** In ns. */
    stolen: 0,
    /** Of all pages, even: raised by two for each change. */
    version: 0,
  };
  readonly #wiring: KvmClockWiring;

  constructor(wiring: KvmClockWiring) {
    this.#wiring = wiring;
    this.state.powerOnTime = wiring.powerOnTime;
  }

  cpuid(leaf: number): readonly [eax: number, ebx: number, ecx: number, edx: number] {
    if (leaf === LEAF.SIGNATURE) return [LEAF.FEATURES, ...SIGNATURE];
    return leaf === LEAF.FEATURES ? [FEATURES, 0, 0, 0] : [0, 0, 0, 0];
  }

  register(address: number) {
    switch (address) {
      case MSR.OLD_WALL_CLOCK:
      case MSR.WALL_CLOCK:
        return this.#register('MSR_KVM_WALL_CLOCK', 'wallClock', () => this.#tellWallClock());
      case MSR.OLD_SYSTEM_TIME:
      case MSR.SYSTEM_TIME:
        return this.#register('MSR_KVM_SYSTEM_TIME', 'systemTime', () => this.#tellSystemTime());
      case MSR.STEAL_TIME:
        return this.#register('MSR_KVM_STEAL_TIME', 'stealTime', () => this.#tellStolen(), RESERVED);
      default:
        return undefined;
    }
  }

  timeStampMoved(): void {
    this.#tellSystemTime();
  }

  /** The guest wants to know what time is stolen. */
  get tellsStolen(): boolean {
    return (this.state.stealTime & ENABLE) !== 0n;
  }

  /** Between runs: so much more, in ns, others ran while it was ready. */
  steal(nanoseconds: number): void {
    this.state.stolen += nanoseconds;
    this.#tellStolen();
  }

  /** The processor's registers are reset; what was stolen was. */
  reset(): void {
    Object.assign(this.state, { wallClock: 0n, systemTime: 0n, stealTime: 0n });
  }

  resume(): void {}

  #register(name: string, field: 'wallClock' | 'systemTime' | 'stealTime', written: () => void, reserved = 0n) {
    return {
      name,
      read: () => this.state[field],
      write: (value: bigint) => {
        if ((value & reserved) !== 0n) return 'reserved bit set';
        this.state[field] = value;
        written();
        return undefined;
      },
    };
  }

  /** The address alone is written, and asks each time. */
  #tellWallClock(): void {
    const { powerOnTime, wallClock } = this.state;
    const bytes = new DataView(new ArrayBuffer(12));
    bytes.setUint32(4, Math.floor(powerOnTime / 1000), true);
    bytes.setUint32(8, (powerOnTime % 1000) * NS_PER_MS, true);
    this.#write(wallClock, 0, bytes);
  }

  #tellSystemTime(): void {
    const { systemTime } = this.state;
    if ((systemTime & ENABLE) === 0n) return;
    const bytes = new DataView(new ArrayBuffer(32));
    bytes.setBigUint64(8, this.#wiring.timeStamp(), true);
    bytes.setBigUint64(16, BigInt(this.#wiring.clock.now), true);
    bytes.setUint32(24, SCALE.MULTIPLIER, true);
    bytes.setInt8(28, SCALE.SHIFT);
    bytes.setUint8(29, TIME_IS_STABLE);
    this.#write(systemTime & ~ENABLE, 0, bytes);
  }

  #tellStolen(): void {
    if (!this.tellsStolen) return;
    const bytes = new DataView(new ArrayBuffer(64));
    bytes.setBigUint64(0, BigInt(this.state.stolen), true);
    this.#write(this.state.stealTime & ~ENABLE, 8, bytes);
  }

  /** At once, between two of the guest's instructions: nobody sees it half done, and the version is even. */
  #write(address: bigint, versionAt: number, bytes: DataView<ArrayBuffer>): void {
    this.state.version = (this.state.version + 2) >>> 0;
    bytes.setUint32(versionAt, this.state.version, true);
    if (address <= LAST_ADDRESS) this.#wiring.memory.write(Number(address), new Uint8Array(bytes.buffer));
  }
}
