/** Port input and output (INS and OUTS: `string.ts`). SDM Vol. 1, "Input/Output". */
import { type InstructionRow, instruction } from '../instruction.ts';

const input = instruction({
  mnemonic: 'in',
  summary: 'Input from port',
  manual: 'SDM Vol. 2A, "IN—Input From Port"',
  operands: { dst: 'w', port: 'r' },
  // REX.W changes nothing: ports are at most 32 bits wide.
  encodings: [
    ['E4 ib', 'al', 'imm8'],
    ['E5 ib o16', 'ax', 'imm8'],
    ['E5 ib o32', 'eax', 'imm8'],
    ['E5 ib o64', 'eax', 'imm8'],
    ['EC', 'al', 'dx'],
    ['ED o16', 'ax', 'dx'],
    ['ED o32', 'eax', 'dx'],
    ['ED o64', 'eax', 'dx'],
  ],
  flags: {},
  endsBlock: true,
  execute({ dst, port }, b) {
    const [from, size] = [b.zeroExtend(port.read(), 16), b.constant(dst.width, 8)];
    b.call('checkPort', [from, size]);
    const [value] = b.call('portIn', [from, size], [32]);
    dst.write(b.truncate(value!, dst.width));
  },
});

const output = instruction({
  mnemonic: 'out',
  summary: 'Output to port',
  manual: 'SDM Vol. 2B, "OUT—Output to Port"',
  operands: { port: 'r', src: 'r' },
  encodings: [
    ['E6 ib', 'imm8', 'al'],
    ['E7 ib o16', 'imm8', 'ax'],
    ['E7 ib o32', 'imm8', 'eax'],
    ['E7 ib o64', 'imm8', 'eax'],
    ['EE', 'dx', 'al'],
    ['EF o16', 'dx', 'ax'],
    ['EF o32', 'dx', 'eax'],
    ['EF o64', 'dx', 'eax'],
  ],
  flags: {},
  endsBlock: true,
  execute({ port, src }, b) {
    const [to, size] = [b.zeroExtend(port.read(), 16), b.constant(src.width, 8)];
    b.call('checkPort', [to, size]);
    b.call('portOut', [to, b.zeroExtend(src.read(), 32), size]);
  },
});

export const IO: readonly InstructionRow[] = [input, output];
