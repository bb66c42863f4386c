/** A state of the x87 with operands at which arithmetic goes wrong, made at random and cheaply: ten million an operation. */

const BIAS = 16383;
/** Exponents at which memory formats and integers end. */
const EDGES = [
  -1075, -1074, -1023, -1022, -150, -149, -127, -126, 127, 128, 1023, 1024, -1, 0, 14, 15, 30, 31, 59, 62, 63, 64,
];

/** Deterministic: xorshift with 32 bits of state. */
export class FastRandom {
  #state: number;
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x1234_5677) >>> 0 || 1;
  }
  /** 32 bits, unsigned. */
  word(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return Math.imul(state, 0x9e37_79b1) >>> 0;
  }
  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count);
  }
}

export class X87Vector {
  control = 0;
  status = 0;
  /** Bit for each physical register: 1 if it is not empty. */
  full = 0;
  /** ST(0)..ST(7): low and high half of the significand, sign and exponent. */
  readonly low = new Uint32Array(8);
  readonly high = new Uint32Array(8);
  readonly head = new Uint16Array(8);
  readonly memory = new DataView(new ArrayBuffer(16));
  condition = 0;
  readonly #random: FastRandom;

  constructor(seed: number) {
    this.#random = new FastRandom(seed);
    for (let register = 0; register < 8; register++) this.#number(register);
  }

  get top(): number {
    return (this.status >> 11) & 7;
  }

  next(): void {
    const random = this.#random;
    for (let register = 0; register < 4; register++) this.#number(register);
    if (random.below(8) === 0) this.#farApart();
    if (random.below(20) === 0) this.#halves();
    if (random.below(20) === 0) this.#integerEnd();
    // Two that nearly cancel, or are alike but for one bit or the exponent.
    if (random.below(6) === 0) this.#alike();
    const masks = random.below(10) < 8 ? 0x3f : random.below(64);
    this.control = 0x40 | masks | ([0, 2, 3, 3][random.below(4)] << 8) | (random.below(4) << 10);
    const flags = random.below(5) === 0 ? random.below(64) & masks : 0;
    this.status = (random.word() & 0x7f00) | flags;
    this.full = random.below(16) === 0 ? random.below(256) : 0xff;
    // ST(7) is empty as a rule, so that there is room.
    if (random.below(32) !== 0) this.full &= ~(1 << ((this.top + 7) & 7));
    this.condition = random.below(2);
    this.#fillMemory();
  }

  /** Powers of two and their neighbours so far apart that one only just counts, or its last bit alone. */
  #farApart(): void {
    const random = this.#random;
    for (const register of [0, 1]) {
      this.high[register] = 0x8000_0000;
      this.low[register] = random.below(3) ? random.below(3) : 1 << random.below(32);
    }
    this.low[random.below(2)] = 0;
    const distance = [0, 1, 2, 32, 63, 64, 65, 65, 65, 66, 127, 128][random.below(12)];
    const [near, far] = random.below(2) ? [0, 1] : [1, 0];
    this.head[near] = (random.below(2) << 15) | BIAS;
    this.head[far] = (random.below(2) << 15) | (BIAS - distance);
  }

  /** ST(0) is an odd multiple of half of ST(1), a power of two: neither nearer to one integer nor to the next. */
  #halves(): void {
    const random = this.#random;
    const odd = 2 * random.below(64) + 1;
    const length = 32 - Math.clz32(odd);
    const exponent = BIAS + random.below(40) - 20;
    this.high[0] = odd << (32 - length);
    this.high[1] = 0x8000_0000;
    this.low[0] = this.low[1] = 0;
    this.head[0] = (random.below(2) << 15) | (exponent + length - 2);
    this.head[1] = (random.below(2) << 15) | exponent;
  }

  /** ST(0) is where the integers of a format end, or next to it. */
  #integerEnd(): void {
    const random = this.#random;
    const bits = [15, 31, 63][random.below(3)];
    const inside = random.below(3) === 0;
    this.high[0] = inside ? 0xffff_ffff : 0x8000_0000;
    this.low[0] = inside ? 0xffff_ffff : random.below(3) ? 0 : random.word() >>> random.below(32);
    this.head[0] = (random.below(2) << 15) | (BIAS + bits - (inside ? 1 : 0));
  }

  #alike(): void {
    const random = this.#random;
    const bit = random.below(32);
    this.low[1] = random.below(2) ? this.low[0] : this.low[0] ^ (1 << bit);
    this.high[1] = random.below(3) ? this.high[0] : this.high[0] ^ (1 << bit);
    this.head[1] = this.head[0] ^ (random.below(2) << 15);
    if (random.below(3) === 0) this.head[1] += [1, -1, 2, 63, 64, 65, -64][random.below(7)];
  }

  #significand(register: number): void {
    const random = this.#random;
    const word = random.word();
    let [high, low] = [random.word(), random.word()];
    switch (random.below(9)) {
      case 0:
        high = low = 0;
        break;
      case 1:
        high = low = 0xffff_ffff;
        break;
      case 2: // ones from some place on
        if (word & 32) [high, low] = [0, (1 << (word & 31)) - 1];
        else [high, low] = [(1 << (word & 31)) - 1, 0xffff_ffff];
        break;
      case 3: // one bit
        if (word & 32) [high, low] = [0, 1 << (word & 31)];
        else [high, low] = [1 << (word & 31), 0];
        break;
      case 4: // a tie at 24 bits, or next to one
        [high, low] = [(high & 0xffff_ff00) | 0x80, word & 1];
        break;
      case 5: // at 53 bits
        low = (low & 0xffff_f800) | 0x400 | (word & 1);
        break;
      case 6: // few bits
        low = 0;
        if (word & 1) high &= 0xffff_0000;
        break;
    }
    this.high[register] = high | 0x8000_0000;
    this.low[register] = low;
  }

  #number(register: number): void {
    const random = this.#random;
    const sign = random.below(2) << 15;
    this.#significand(register);
    const kind = random.below(24);
    let exponent = BIAS + random.below(8) - 4;
    if (kind < 8) exponent = BIAS + random.below(140) - 70;
    else if (kind < 10) exponent = BIAS + EDGES[random.below(EDGES.length)];
    else if (kind < 12) exponent = 1 + random.below(0x7ffe);
    else if (kind < 14) exponent = [1, 2, 64, 0x7ffd, 0x7ffe, BIAS >> 1, BIAS + (BIAS >> 1)][random.below(7)];
    else if (kind < 16) this.#special(register, (exponent = [0, 0, 0, 0, 0x7fff, 0x7fff, 0x7fff, 5][random.below(8)]));
    this.head[register] = sign | exponent;
  }

  /** Zero, denormal, pseudo-denormal, infinity, NaN, what is not supported. */
  #special(register: number, exponent: number): void {
    const random = this.#random;
    const word = random.word();
    switch (random.below(4)) {
      case 0: // zero, pseudo-infinity, unnormal; infinity
        this.low[register] = 0;
        this.high[register] = exponent === 0x7fff && word & 7 ? 0x8000_0000 : 0;
        break;
      case 1: // denormal of any length; pseudo-NaN
        this.high[register] = word & 1 ? 0 : this.high[register] & (0x7fff_ffff >>> random.below(31));
        this.low[register] >>>= word & 32 ? random.below(32) : 0;
        break;
      case 2:
        this.high[register] ^= 0x4000_0000;
        break;
    }
  }

  /** An operand of some format, or the same as a register's number. */
  #fillMemory(): void {
    const random = this.#random;
    const { memory } = this;
    for (let at = 0; at < 16; at += 4) memory.setUint32(at, random.word(), true);
    switch (random.below(8)) {
      case 0:
        memory.setUint32(0, this.low[2], true);
        memory.setUint32(4, this.high[2], true);
        memory.setUint16(8, this.head[2], true);
        break;
      case 1: {
        const exponent = [0, 0, 1, 0x7f, 0xfe, 0xff, 0xff][random.below(7)];
        const fraction = [0, 1, 0x40_0000, 0x7f_ffff, random.word() & 0x7f_ffff][random.below(5)];
        memory.setUint32(0, (random.below(2) << 31) | (exponent << 23) | fraction, true);
        break;
      }
      case 2: {
        const exponent = [0, 0, 1, 0x3ff, 0x7fe, 0x7ff, 0x7ff][random.below(7)];
        const fraction = [0, 0, 0x8_0000, 0xf_ffff, random.word() & 0xf_ffff][random.below(5)];
        memory.setUint32(4, (random.below(2) << 31) | (exponent << 20) | fraction, true);
        if (random.below(2)) memory.setUint32(0, random.below(2), true);
        break;
      }
      case 3:
        memory.setFloat32(0, (random.below(1 << 24) - (1 << 23)) * 2 ** (random.below(60) - 30), true);
        break;
      case 4:
        memory.setFloat64(0, (random.word() / 2 ** 32 - 0.5) * 2 ** (random.below(80) - 40), true);
        break;
      case 5:
        memory.setInt32(0, random.below(9) - 4, true);
        memory.setInt32(4, -random.below(2), true);
        break;
    }
  }
}
