/** Code that changes: itself, what comes next, what ran just now; by stores, strings, pushes and interrupts. */
import { type HostileProgram, staged } from './program.ts';
import { AT, type StageSpec } from './stage.ts';

const COUNT = AT.DATA;
const count = `inc dword [${COUNT}]`;
const FRESH = 0x10_0000;
/** Linear address of the program's page under a second name. */
const ALIAS = 0x1f_0000;

const FLOODS: readonly (readonly [name: string, spec: StageSpec])[] = [
  ['an immediate in place', { body: `${count}\ninc dword [here + 1]\nhere: mov eax, 0` }],
  ['the next instruction, byte by byte', { body: `${count}\nxor byte [here], 8\nhere: inc eax\nnop` }],
  ['the instruction before', { body: `${count}\nhere: mov eax, 1\ninc byte [here + 1]` }],
  ['its own opcode', { body: `${count}\nhere: mov byte [here], 0xc6` }],
  [
    'a whole page, then run',
    {
      body: `${count}\nmov edi, ${FRESH}\nmov ecx, 1023\nmov eax, 0x40404040\nrep stosd\nmov dword [edi], 0xc3c3c3c3\nmov eax, ${FRESH}\ncall eax`,
    },
  ],
  [
    'fresh code for each call',
    {
      body: `${count}\nmov dword [ebx + ${FRESH}], 0xc3404040\nlea eax, [ebx + ${FRESH}]\ncall eax\nadd ebx, 4\nand ebx, 0xfffc`,
    },
  ],
  [
    'code at every byte of a page',
    {
      body: `${count}\nlea eax, [ebx + ${FRESH}]\ncall eax\ninc ebx\nand ebx, 0x7ff\nxor byte [ebx + ${FRESH}], 8`,
      setup: `mov edi, ${FRESH}\nmov ecx, 1024\nmov eax, 0x43434343\nrep stosd\nmov byte [edi], 0xc3`,
    },
  ],
  [
    'an instruction across two pages',
    {
      body: `${count}\nxor dword [${FRESH + 0x1000}], 1\nmov eax, ${FRESH + 0xffe}\ncall eax`,
      setup: `mov dword [${FRESH + 0xffe}], 0x1234b8\nmov dword [${FRESH + 0x1002}], 0xc3c3c300`,
    },
  ],
  [
    'REP MOVS over itself',
    {
      body: `${count}\nmov esi, here\nmov edi, here\nmov ecx, 64\nhere: rep movsb\nnop`,
    },
  ],
  [
    'REP STOS that overwrites its own REP',
    {
      body: `${count}\nmov dword [here], 0x9090aaf3\nmov edi, here\nmov ecx, 2\nmov al, 0x90\nhere: rep stosb\nnop\nnop`,
    },
  ],
  [
    'pushes onto the code ahead',
    {
      body: `${count}\nmov ebp, esp\nmov esp, there\nmov eax, 0x40404040\npush eax\nnop\nnop\nnop\nnop\nthere: mov esp, ebp`,
    },
  ],
  [
    'a return address on code',
    {
      body: `${count}\nmov ebp, esp\nmov esp, there\ncall next\nnext: mov esp, ebp\njmp around\ndd 0\nthere: nop\naround:`,
    },
  ],
  [
    'interrupt frames on code',
    { body: `${count}\nmov ebp, esp\nmov esp, there\nint3\nmov esp, ebp\njmp around\ndd 0, 0, 0\nthere: nop\naround:` },
  ],
  ['the handler of an interrupt', { body: `${count}\nxor byte [${AT.HANDLERS + 3 * 16 + 7}], 0\nint3` }],
  ['code that is read as data', { body: `${count}\nmov esi, again\nmov ecx, 16\nsum: lodsd\nadd ebx, eax\nloop sum` }],
  [
    'through another linear address',
    {
      body: `${count}\ninc dword [here + 1 - ${AT.PROGRAM} + ${ALIAS}]\nhere: mov eax, 0`,
      paging: true,
      pages: new Map([[ALIAS >>> 12, AT.PROGRAM | 7]]),
    },
  ],
  [
    'two names for a page, both run and written',
    {
      body: `${count}\nxor byte [here - ${AT.PROGRAM} + ${ALIAS}], 8\nmov eax, here - ${AT.PROGRAM} + ${ALIAS}\ncall eax\ncall here\njmp around\nhere: inc eax\nret\naround:`,
      paging: true,
      pages: new Map([[ALIAS >>> 12, AT.PROGRAM | 7]]),
    },
  ],
  [
    'a page of code exchanged by its page table entry',
    {
      body: `${count}\nxor dword [${AT.PAGE_TABLE} + 4 * ${ALIAS >>> 12}], 0x1000\ninvlpg [${ALIAS}]\nmov eax, ${ALIAS}\ncall eax`,
      setup: `mov byte [${FRESH}], 0xc3\nmov word [${FRESH + 0x1000}], 0xc340`,
      paging: true,
      pages: new Map([[ALIAS >>> 12, FRESH | 7]]),
    },
  ],
  [
    'calls through 64 KiB of jumps',
    {
      body: `${count}\nmov eax, ${FRESH}\ncall eax`,
      setup: `mov edi, ${FRESH}\nmov ecx, 0x4000\nmov eax, 0x00eb00eb\nrep stosd\nmov byte [edi], 0xc3`,
    },
  ],
  [
    'a jump into the middle of an instruction',
    { body: `${count}\njmp here + 1\nhere: db 0xb8\ninc eax\nnop\nnop\nnop` },
  ],
  [
    'both halves of a page by turns',
    {
      body: `${count}\ninc dword [there]\ncall near_by\njmp around\nthere: dd 0\nnear_by: ret\naround:`,
    },
  ],
];

export function* codeStorms(): Generator<HostileProgram> {
  for (const [name, spec] of FLOODS) {
    // Each count takes thousands of instructions.
    const slow = /whole page|64 KiB|every byte/.test(name);
    yield staged('changing code', `code: ${name}`, spec, slow ? {} : { counts: COUNT });
  }
  yield staged(
    'changing code',
    'code: an immediate in place, CPL 3, 16 bits',
    {
      body: `${count}\ninc word [here + 1]\nhere: mov ax, 0`,
      level: 3,
      width: 16,
    },
    { counts: COUNT },
  );
}
