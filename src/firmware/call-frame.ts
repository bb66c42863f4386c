/**
 * What a caller of the BIOS finds in his registers when he comes back: an image on his stack, which `roms/bios/service.asm`
 * lays out. Upper halves of registers, and flags that no service answers in, stay as they are.
 */
import { bit } from '../base/bits.ts';
import type { MemoryAccess } from './memory-access.ts';

/** Offset from SS:SP, and width in bytes. */
// biome-ignore format: a table by register
const FIELDS = {
  es: [0, 2], ds: [2, 2],
  edi: [4, 4], di: [4, 2],
  esi: [8, 4], si: [8, 2],
  ebp: [12, 4], bp: [12, 2],
  ebx: [20, 4], bx: [20, 2], bl: [20, 1], bh: [21, 1],
  edx: [24, 4], dx: [24, 2], dl: [24, 1], dh: [25, 1],
  ecx: [28, 4], cx: [28, 2], cl: [28, 1], ch: [29, 1],
  eax: [32, 4], ax: [32, 2], al: [32, 1], ah: [33, 1],
  next: [36, 2], argument: [38, 2], service: [40, 2], ip: [42, 2], cs: [44, 2], flags: [46, 2],
} as const satisfies Record<string, readonly [at: number, width: 1 | 2 | 4]>;
const FRAME_SIZE = 48;

type RegisterName = keyof typeof FIELDS;

export const FLAG = { CARRY: 0x0001, ZERO: 0x0040, INTERRUPT: 0x0200 } as const;

/** The registers by name: unsigned, 8, 16 or 32 bits wide; and CS:IP and FLAGS that the service returns to. */
export type CallFrame = FrameBase & Record<RegisterName, number>;

class FrameBase {
  readonly #memory: MemoryAccess;
  readonly #address: number;
  readonly view: DataView;
  #changed = false;

  constructor(memory: MemoryAccess, address: number) {
    this.#memory = memory;
    this.#address = address;
    this.view = new DataView(memory.copyOut(address, FRAME_SIZE).buffer);
  }

  get carry(): boolean {
    return (this.get('flags') & FLAG.CARRY) !== 0;
  }
  set carry(value: boolean) {
    this.#setFlag(FLAG.CARRY, value);
  }
  get zero(): boolean {
    return (this.get('flags') & FLAG.ZERO) !== 0;
  }
  set zero(value: boolean) {
    this.#setFlag(FLAG.ZERO, value);
  }

  get(name: RegisterName): number {
    const [at, width] = FIELDS[name];
    if (width === 1) return this.view.getUint8(at);
    return width === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true);
  }

  set(name: RegisterName, value: number): void {
    const [at, width] = FIELDS[name];
    if (this.get(name) === value) return;
    this.#changed = true;
    if (width === 1) this.view.setUint8(at, value);
    else if (width === 2) this.view.setUint16(at, value, true);
    else this.view.setUint32(at, value, true);
  }

  /** Puts it back onto the caller's stack. */
  store(): void {
    if (this.#changed) this.#memory.copyIn(this.#address, new Uint8Array(this.view.buffer));
    this.#changed = false;
  }

  #setFlag(mask: number, value: boolean): void {
    const flags = this.get('flags');
    this.set('flags', value ? flags | mask : flags & ~mask);
  }
}

for (const name of Object.keys(FIELDS) as RegisterName[]) {
  Object.defineProperty(FrameBase.prototype, name, {
    get(this: FrameBase) {
      return this.get(name);
    },
    set(this: FrameBase, value: number) {
      this.set(name, value);
    },
  });
}

/** The image at a linear address. */
export const readFrame = (memory: MemoryAccess, address: number): CallFrame =>
  new FrameBase(memory, address) as CallFrame;

/** Carry clear, AH as given. */
export function succeed(frame: CallFrame, ah?: number): void {
  frame.carry = false;
  if (ah !== undefined) frame.ah = ah;
}

/** Carry set, AH as given. */
export function fail(frame: CallFrame, ah?: number): void {
  frame.carry = true;
  if (ah !== undefined) frame.ah = ah;
}

/** Whether a flag of an interrupt that was called on the way is set: see `ARGUMENT` in service.asm. */
export const answeredCarry = (frame: CallFrame): boolean => bit(frame.next, 0) === 1;
