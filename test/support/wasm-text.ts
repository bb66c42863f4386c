/** Function bodies in text, one instruction a line, blocks indented: as far as `CodeWriter` can write them. */
import { I32, MEMORY_OPCODES, SIMPLE_OPCODES } from '../../src/wasm/code-writer.ts';

const namesOf = (opcodes: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(opcodes).map(([name, opcode]) => [opcode, name]));
const SIMPLE = namesOf(SIMPLE_OPCODES);
const MEMORY = namesOf(MEMORY_OPCODES);
const BLOCKS = namesOf({ block: 0x02, loop: 0x03, if: 0x04 });
const WITH_NUMBER = namesOf({
  br: 0x0c,
  br_if: 0x0d,
  call: 0x10,
  'local.get': 0x20,
  'local.set': 0x21,
  'local.tee': 0x22,
});
const ELSE = 0x05;
const END = 0x0b;
const BULK_PREFIX = 0xfc;

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.at >= this.#bytes.length;
  }
  byte(): number {
    return this.#bytes[this.at++];
  }
  unsigned(): number {
    return Number(this.#leb().value);
  }
  signed(): bigint {
    const { value, bits } = this.#leb();
    return BigInt.asIntN(bits, value);
  }
  #leb(): { value: bigint; bits: number } {
    let [value, bits] = [0n, 0];
    for (;;) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      bits += 7;
      if (byte < 0x80) return { value, bits };
    }
  }
}

/** Text of a finished body (`CodeWriter.finish`). */
export function wasmText(body: Uint8Array): string {
  const reader = new Reader(body);
  const lines: string[] = [];
  const locals: string[] = [];
  for (let groups = reader.unsigned(); groups > 0; groups--) {
    const count = reader.unsigned();
    const type = reader.byte() === I32 ? 'i32' : 'i64';
    for (let index = 0; index < count; index++) locals.push(type);
  }
  if (locals.length > 0) lines.push(`local ${locals.join(' ')}`);
  let depth = 0;
  const write = (text: string, at = depth) => lines.push('  '.repeat(at) + text);
  while (!reader.done) {
    const opcode = reader.byte();
    const block = BLOCKS.get(opcode);
    if (block !== undefined) {
      const type = reader.byte();
      write(type === 0x40 ? block : `${block} ${type === I32 ? 'i32' : 'i64'}`);
      depth++;
    } else if (opcode === ELSE) write('else', depth - 1);
    else if (opcode === END) {
      if (--depth >= 0) write('end');
    } else write(instruction(opcode, reader));
  }
  return `${lines.join('\n')}\n`;
}

function instruction(opcode: number, reader: Reader): string {
  const name = SIMPLE.get(opcode);
  if (name !== undefined) return name;
  const memory = MEMORY.get(opcode);
  if (memory !== undefined) {
    reader.unsigned(); // alignment
    return `${memory} ${reader.unsigned()}`;
  }
  const numbered = WITH_NUMBER.get(opcode);
  if (numbered !== undefined) return `${numbered} ${reader.unsigned()}`;
  switch (opcode) {
    case 0x41:
      return `i32.const ${reader.signed()}`;
    case 0x42:
      return `i64.const ${reader.signed()}`;
    case 0x0e: {
      const labels = Array.from({ length: reader.unsigned() + 1 }, () => reader.unsigned());
      return `br_table ${labels.join(' ')}`;
    }
    case 0x11:
      return `call_indirect ${[reader.unsigned(), reader.unsigned()].join(' ')}`;
    case BULK_PREFIX: {
      const copies = reader.unsigned() === 10;
      reader.at += copies ? 2 : 1;
      return copies ? 'memory.copy' : 'memory.fill';
    }
    default:
      throw new TypeError(`unknown opcode ${opcode.toString(16)}h`);
  }
}
