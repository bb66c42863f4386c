/** Registers of different widths side by side, which software may read and write by any other width. */
export interface BlockRegister {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  read(): number;
  /** Default: it is read-only. */
  write?(value: number): void;
}

export class RegisterBlock {
  readonly #registers: readonly BlockRegister[];

  constructor(registers: readonly BlockRegister[]) {
    this.#registers = registers;
  }

  /** Where there is no register, bits are 0. A register is read once. */
  read(offset: number, size: number): number {
    let value = 0;
    for (const register of this.#within(offset, size)) {
      const bytes = register.read();
      for (let at = Math.max(offset, register.offset); at < Math.min(offset + size, endOf(register)); at++)
        value += byteOf(bytes, at - register.offset) * 256 ** (at - offset);
    }
    return value;
  }

  /** A register of which a part is written keeps the rest. */
  write(offset: number, value: number, size: number): void {
    for (const register of this.#within(offset, size)) {
      if (!register.write) continue;
      const isWhole = offset <= register.offset && endOf(register) <= offset + size;
      const before = isWhole ? 0 : register.read();
      let merged = 0;
      for (let at = register.offset; at < endOf(register); at++) {
        const isWritten = at >= offset && at < offset + size;
        const byte = isWritten ? byteOf(value, at - offset) : byteOf(before, at - register.offset);
        merged += byte * 256 ** (at - register.offset);
      }
      register.write(merged);
    }
  }

  #within(offset: number, size: number): BlockRegister[] {
    return this.#registers.filter((register) => register.offset < offset + size && endOf(register) > offset);
  }
}

const endOf = ({ offset, size }: BlockRegister): number => offset + size;
/** Of a value of up to 53 bits. */
const byteOf = (value: number, index: number): number => Math.floor(value / 256 ** index) % 256;
