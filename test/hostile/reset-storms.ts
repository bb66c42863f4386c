/** Guests that reset, by every way there is. */
import { type HostileProgram, realMode, staged } from './program.ts';

const KIND = 'resets';
const COUNT = 0x500;
const NO_VECTORS = 'lidt [none]\nint3\nnone: dd 0, 0';

const STORMS: readonly (readonly [name: string, source: string])[] = [
  ['triple fault', `cli\n${NO_VECTORS}`],
  ['triple fault after a while', `mov cx, 1000\nlater: loop later\n${NO_VECTORS}`],
  ['triple fault by a stack at 0', 'mov sp, 1\npush ax\njmp $'],
  ['triple fault by a division', 'lidt [none]\nxor cx, cx\ndiv cx\nnone: dd 0, 0'],
  ['port 92h', 'mov al, 3\nout 0x92, al\njmp $'],
  ['port 92h, in a loop', 'again: mov al, 2\nout 0x92, al\nmov al, 3\nout 0x92, al\njmp again'],
  ['keyboard controller', 'mov al, 0xfe\nout 0x64, al\njmp $'],
  ['keyboard controller, output port', 'mov al, 0xd1\nout 0x64, al\nmov al, 0\nout 0x60, al\njmp $'],
  ['port CF9h', 'mov dx, 0xcf9\nmov al, 6\nout dx, al\nagain: inc ax\njmp again'],
  ['S1: the neighbour', 'again: inc ax\njmp again'],
  ['HLT for good', 'cli\nhlt'],
  ['a debug exit', 'mov al, 1\nout 0xf4, al'],
  [
    'a power of memory written before',
    `mov ax, 0x1000\nmov es, ax\nxor di, di\nmov cx, 0x8000\nrep stosw\n${NO_VECTORS}`,
  ],
];

export function* resetStorms(): Generator<HostileProgram> {
  for (const [name, source] of STORMS) yield realMode(KIND, `resets: ${name}`, `inc dword [${COUNT}]\n${source}`);
  const noGates = new Map(Array.from({ length: 256 }, (_, vector) => [vector, [0, 0]] as const));
  for (const level of [0, 3] as const)
    yield staged(KIND, `resets: no gate in the IDT, CPL ${level}`, { body: 'ud2', gates: noGates, level });
  yield staged(KIND, 'resets: a stack of level 0 on a page that is not there', {
    body: 'int3',
    level: 3,
    paging: true,
    pages: new Map([[8, 0]]),
  });
}
