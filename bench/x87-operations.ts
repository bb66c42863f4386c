// What x87 instructions cost in the interpreter, dispatch and checks included:
//   node .ci/ts.js bench/x87-operations.ts [instructions of each loop, in millions]
// Each loop holds the same instructions sixteen times; the loop itself is taken off.
import { assemble } from '../src/isa/assemble.ts';
import { createBareMachine } from '../test/conformance/engines/bare-machine.ts';

const COPIES = 16;
const ADDRESS = 0x10_0000;

const LOOPS: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  'fadd st0, st1': ['fadd st0, st1'],
  'fmul st0, st1': ['fmul st0, st1'],
  'fdiv st0, st1': ['fdiv st0, st1'],
  fsqrt: ['fsqrt'],
  'fld, fstp m64': ['fld qword [0x9000]', 'fstp qword [0x9010]'],
  'fst m64': ['fst qword [0x9010]'],
  'fmul m64': ['fmul qword [0x9038]'],
  'fld, fstp st0': ['fld st0', 'fstp st0'],
  fnop: ['fnop'],
  fnstcw: ['fnstcw word [0x9018]'],
  'fxch st1': ['fxch st1'],
  'fcomi st0, st1': ['fcomi st0, st1'],
  'fild, fistp m32': ['fild dword [0x9018]', 'fistp dword [0x901c]'],
  // The inner step of an n-body simulation: a difference, its square, a scaled sum.
  'n-body step': [
    'fld qword [0x9000]',
    'fsub qword [0x9008]',
    'fld st0',
    'fmul st0, st0',
    'fadd qword [0x9020]',
    'fsqrt',
    'fdivr qword [0x9028]',
    'fmulp st1, st0',
    'fadd qword [0x9030]',
    'fstp qword [0x9030]',
  ],
};

const millions = Number(process.argv[2] ?? 4);
const results: Record<string, number> = {};
for (const [name, body] of Object.entries(LOOPS)) {
  const source = `
  bits 32
  org ${ADDRESS}
  mov eax, cr0
  or eax, 0x20
  mov cr0, eax
  fninit
  fld qword [0x9038]
  fld qword [0x9000]
again:
${Array.from({ length: COPIES }, () => body.join('\n')).join('\n')}
  dec ecx
  jnz again
  jmp again
  `;
  const machine = createBareMachine('interpreter', { memory: 8 * 2 ** 20 });
  machine.write(ADDRESS, assemble(source, { bits: 32 }).bytes);
  machine.write(0x9000, new Uint8Array(Float64Array.of(1.7, 0.3, 0, 5e-324, 0.01, 1e-3, 0, 1.0000000001).buffer));
  machine.enter(ADDRESS);
  const instructions = millions * 1e6;
  const run = (count: number) => {
    for (let left = count; left > 0; left -= 100_000) machine.processor.run(Math.min(left, 100_000));
  };
  run(instructions / 4);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const before = process.cpuUsage();
    run(instructions);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) * 1000);
  }
  const perLoop = body.length * COPIES + 2;
  const loops = instructions / perLoop;
  const loop = best / loops;
  results[name] = loop;
  const cost = body.length ? (loop - results.nothing) / (body.length * COPIES) : loop;
  console.log(`${name.padEnd(20)} ${cost.toFixed(1).padStart(8)} ns${body.length ? '' : ' (an empty loop)'}`);
  machine.dispose();
}
