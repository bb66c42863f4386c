/**
 * A kernel that need not unpack itself: most of what a boot executes is xz. The code is the same; it is where it was linked.
 * Sources: Linux, Documentation/arch/x86/boot.rst (payload); System V ABI, "Program Header".
 */
import { execFileSync } from 'node:child_process';
import { createBzImage } from './bz-image.ts';

const SETUP = { SECTS: 0x1f1, PAYLOAD_OFFSET: 0x248, PAYLOAD_LENGTH: 0x24c, CMDLINE_SIZE: 0x238, INIT_SIZE: 0x260 };
const ELF = { ENTRY: 24, PROGRAM_HEADERS: 28, COUNT: 44 };
const PROGRAM_HEADER = { BYTES: 32, OFFSET: 4, PHYSICAL: 12, FILE_SIZE: 16, MEMORY_SIZE: 20 };
const PT_LOAD = 1;
const SECTOR = 512;

/** @param kernel a bzImage for 32 bits whose payload is an ELF file, packed by xz @throws Error if it is another */
export function unpackedKernel(kernel: Uint8Array): Uint8Array {
  const header = viewOf(kernel);
  const start = (header.getUint8(SETUP.SECTS) + 1) * SECTOR + header.getUint32(SETUP.PAYLOAD_OFFSET, true);
  // The last four bytes are the size once unpacked.
  const payload = kernel.subarray(start, start + header.getUint32(SETUP.PAYLOAD_LENGTH, true) - 4);
  const elf = execFileSync('xz', ['--decompress', '--stdout'], { input: payload, maxBuffer: 2 ** 28 });
  const view = viewOf(elf);
  const count = view.getUint16(ELF.COUNT, true);
  const segments = Array.from({ length: count }, (_, index) => {
    const at = view.getUint32(ELF.PROGRAM_HEADERS, true) + index * PROGRAM_HEADER.BYTES;
    const field = (offset: number) => view.getUint32(at + offset, true);
    return {
      type: field(0),
      address: field(PROGRAM_HEADER.PHYSICAL),
      bytes: elf.subarray(field(PROGRAM_HEADER.OFFSET), field(PROGRAM_HEADER.OFFSET) + field(PROGRAM_HEADER.FILE_SIZE)),
      length: field(PROGRAM_HEADER.MEMORY_SIZE),
    };
  }).filter(({ type }) => type === PT_LOAD);
  const codeStart = Math.min(...segments.map(({ address }) => address));
  if (view.getUint32(ELF.ENTRY, true) !== codeStart) throw new Error('the kernel does not begin with its entry');
  const code = new Uint8Array(Math.max(...segments.map(({ address, length }) => address + length)) - codeStart);
  for (const { address, bytes } of segments) code.set(bytes, address - codeStart);
  return createBzImage({
    code,
    codeStart,
    initSize: header.getUint32(SETUP.INIT_SIZE, true),
    commandLineSize: header.getUint32(SETUP.CMDLINE_SIZE, true),
  });
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
