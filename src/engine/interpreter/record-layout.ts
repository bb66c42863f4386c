/**
 * A pre-decoded instruction: 32 bytes in linear memory. A block is a run of records; emitted code steps from one to
 * the next by adding `RECORD_SIZE`. Nothing in a record depends on the linear address it runs at: the instruction
 * pointer is `base + pageOffset`, where `base` is a local of the run.
 */
export const RECORD_SIZE = 32;

/** Byte offsets of the fields. */
export const RECORD = {
  /** u16: form number, index of its handler. */
  handler: 0,
  /** u8: bytes of the instruction (of both, if fused). */
  length: 2,
  /** u8: instructions from this record to the end of its block, itself included. */
  remaining: 3,
  /** u16: offset of the instruction in its page. */
  pageOffset: 4,
  /** u8: state offset of the register in ModR/M.reg, and of the one in ModR/M.rm or the opcode. */
  reg: 6,
  rm: 7,
  /** u8: state offsets of the base and index registers (the zero slot for none), log2 of the scale. */
  base: 8,
  index: 9,
  scale: 10,
  /** u8: instructions in this record: 1, or 2 if fused. */
  count: 11,
  /** i32, sign-extended where addresses are wider. */
  displacement: 12,
  /** i64: first immediate, sign-extended. */
  immediate: 16,
  /** i32: displacement of the branch of a fused pair (the compare's immediate is a doubleword then). */
  branch: 20,
  /** u32: records of the branch target once known (0: not yet); or the second immediate. */
  link: 24,
  immediate2: 24,
  /** u16: state offset of the memory operand's segment. */
  segment: 28,
  /** u8: numbers of the registers in ModR/M.reg and rm. */
  regNumber: 30,
  rmNumber: 31,
} as const;
