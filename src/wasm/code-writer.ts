/**
 * Writes the body of one wasm function, instruction by instruction. It knows the binary format and nothing else.
 * WebAssembly Core Specification, "Binary Format".
 */
export const I32 = 0x7f;
export const I64 = 0x7e;
export type ValueType = typeof I32 | typeof I64;

const EMPTY_BLOCK = 0x40;

/** A structured block that `br` can name; valid between `block`/`loop`/`if` and the matching `end`. */
export interface Label {
  readonly depth: number;
}

/** Growable bytes with LEB128. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = value;
  }
  bytes(values: ArrayLike<number>): void {
    if (this.length + values.length > this.#bytes.length) this.#grow(values.length);
    this.#bytes.set(values, this.length);
    this.length += values.length;
  }
  /** Unsigned LEB128, up to 32 bits. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }
  /** Signed LEB128, 32 bits. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }
  /** Signed LEB128, 64 bits. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && !(low & 0x40)) || (rest === -1n && low & 0x40)) return this.byte(low);
      this.byte(low | 0x80);
    }
  }
  name(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.unsigned(encoded.length);
    this.bytes(encoded);
  }
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.length);
  }
  #grow(by: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 4, this.length + by));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Opcodes of the instructions without immediates, by their text names. */
export const SIMPLE_OPCODES = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.lt_u': 0x49,
  'i32.gt_s': 0x4a,
  'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c,
  'i32.le_u': 0x4d,
  'i32.ge_s': 0x4e,
  'i32.ge_u': 0x4f,
  'i64.eqz': 0x50,
  'i64.eq': 0x51,
  'i64.ne': 0x52,
  'i64.lt_s': 0x53,
  'i64.lt_u': 0x54,
  'i64.gt_s': 0x55,
  'i64.gt_u': 0x56,
  'i64.le_s': 0x57,
  'i64.le_u': 0x58,
  'i64.ge_s': 0x59,
  'i64.ge_u': 0x5a,
  'i32.clz': 0x67,
  'i32.ctz': 0x68,
  'i32.popcnt': 0x69,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_s': 0x6d,
  'i32.div_u': 0x6e,
  'i32.rem_s': 0x6f,
  'i32.rem_u': 0x70,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'i32.shr_u': 0x76,
  'i32.rotl': 0x77,
  'i32.rotr': 0x78,
  'i64.clz': 0x79,
  'i64.ctz': 0x7a,
  'i64.popcnt': 0x7b,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.div_s': 0x7f,
  'i64.div_u': 0x80,
  'i64.rem_s': 0x81,
  'i64.rem_u': 0x82,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.xor': 0x85,
  'i64.shl': 0x86,
  'i64.shr_s': 0x87,
  'i64.shr_u': 0x88,
  'i64.rotl': 0x89,
  'i64.rotr': 0x8a,
  'f64.sqrt': 0x9f,
  'i32.wrap_i64': 0xa7,
  'i64.extend_i32_s': 0xac,
  'i64.extend_i32_u': 0xad,
  'i64.trunc_f64_u': 0xb1,
  'f64.convert_i64_u': 0xba,
  'i32.extend8_s': 0xc0,
  'i32.extend16_s': 0xc1,
  'i64.extend8_s': 0xc2,
  'i64.extend16_s': 0xc3,
  'i64.extend32_s': 0xc4,
} as const;
export type SimpleOpcode = keyof typeof SIMPLE_OPCODES;

/** Opcodes of loads and stores. */
export const MEMORY_OPCODES = {
  'i32.load': 0x28,
  'i64.load': 0x29,
  'i32.load8_s': 0x2c,
  'i32.load8_u': 0x2d,
  'i32.load16_s': 0x2e,
  'i32.load16_u': 0x2f,
  'i64.load8_u': 0x31,
  'i64.load16_u': 0x33,
  'i64.load32_s': 0x34,
  'i64.load32_u': 0x35,
  'i32.store': 0x36,
  'i64.store': 0x37,
  'i32.store8': 0x3a,
  'i32.store16': 0x3b,
  'i64.store8': 0x3c,
  'i64.store16': 0x3d,
  'i64.store32': 0x3e,
} as const;
export type MemoryOpcode = keyof typeof MEMORY_OPCODES;

export class CodeWriter {
  readonly #out = new ByteWriter();
  readonly #parameters: number;
  readonly #locals: ValueType[] = [];
  #depth = 0;

  /** @param parameters number of the function's parameters: locals are numbered after them */
  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#out.length;
  }

  newLocal(type: ValueType): number {
    this.#locals.push(type);
    return this.#parameters + this.#locals.length - 1;
  }

  op(name: SimpleOpcode, ...further: SimpleOpcode[]): void {
    this.#out.byte(SIMPLE_OPCODES[name]);
    for (const one of further) this.#out.byte(SIMPLE_OPCODES[one]);
  }
  i32(value: number): void {
    this.#out.byte(0x41);
    this.#out.signed(value);
  }
  i64(value: bigint): void {
    this.#out.byte(0x42);
    this.#out.signed64(value);
  }
  get(local: number): void {
    this.#out.byte(0x20);
    this.#out.unsigned(local);
  }
  set(local: number): void {
    this.#out.byte(0x21);
    this.#out.unsigned(local);
  }
  tee(local: number): void {
    this.#out.byte(0x22);
    this.#out.unsigned(local);
  }
  /** Load or store with a constant offset; alignment is never promised. */
  memory(name: MemoryOpcode, offset: number): void {
    this.#out.byte(MEMORY_OPCODES[name]);
    this.#out.byte(0);
    this.#out.unsigned(offset);
  }
  /** memory.copy and memory.fill (within memory 0). */
  memoryCopy(): void {
    this.#out.bytes([0xfc, 10, 0, 0]);
  }
  memoryFill(): void {
    this.#out.bytes([0xfc, 11, 0]);
  }

  block(result?: ValueType): Label {
    return this.#open(0x02, result);
  }
  loop(result?: ValueType): Label {
    return this.#open(0x03, result);
  }
  if(result?: ValueType): Label {
    return this.#open(0x04, result);
  }
  else(): void {
    this.#out.byte(0x05);
  }
  end(): void {
    this.#depth--;
    this.#out.byte(0x0b);
  }
  br(label: Label): void {
    this.#out.byte(0x0c);
    this.#out.unsigned(this.#depth - label.depth);
  }
  brIf(label: Label): void {
    this.#out.byte(0x0d);
    this.#out.unsigned(this.#depth - label.depth);
  }
  brTable(labels: readonly Label[], otherwise: Label): void {
    this.#out.byte(0x0e);
    this.#out.unsigned(labels.length);
    for (const label of [...labels, otherwise]) this.#out.unsigned(this.#depth - label.depth);
  }
  call(functionIndex: number): void {
    this.#out.byte(0x10);
    this.#out.unsigned(functionIndex);
  }
  callIndirect(typeIndex: number, table = 0): void {
    this.#out.byte(0x11);
    this.#out.unsigned(typeIndex);
    this.#out.unsigned(table);
  }

  /** Calls in place of the running function: its frame is gone. */
  returnCallIndirect(typeIndex: number, table = 0): void {
    this.#out.byte(0x13);
    this.#out.unsigned(typeIndex);
    this.#out.unsigned(table);
  }

  /** The finished body: local declarations, code, `end`. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#depth !== 0) throw new Error(`${this.#depth} blocks are still open`);
    const body = new ByteWriter();
    body.unsigned(this.#locals.length);
    for (const type of this.#locals) {
      body.unsigned(1);
      body.byte(type);
    }
    body.bytes(this.#out.finish());
    body.byte(0x0b);
    return body.finish();
  }

  #open(opcode: number, result?: ValueType): Label {
    this.#out.byte(opcode);
    this.#out.byte(result ?? EMPTY_BLOCK);
    this.#depth++;
    return { depth: this.#depth };
  }
}
