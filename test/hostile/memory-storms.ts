/** Tables, stacks and code where they should not be; page tables that map themselves; accesses that have no end. */
import { type HostileProgram, staged } from './program.ts';
import { AT, type Level, PLACES, type Place, SELECTOR, type StageSpec, type Structure } from './stage.ts';

const COUNT = AT.DATA;
const count = `inc dword [${COUNT}]`;
const STRUCTURES: readonly Structure[] = ['gdt', 'idt', 'ldt', 'tss', 'stack', 'directory', 'pages'];
const FROM_LDT = 4;

/** Each table at each place where it should not be, with what uses it in a loop. */
function* misplaced(): Generator<HostileProgram> {
  for (const structure of STRUCTURES) {
    for (const place of (Object.keys(PLACES) as Place[]).filter((each) => each !== 'ram')) {
      for (const level of [0, 3] as const satisfies readonly Level[]) {
        const paged = structure === 'directory' || structure === 'pages';
        const flush = level === 0 ? 'mov eax, cr3\nmov cr3, eax' : '';
        const use = paged ? `mov eax, [0x20000]\n${flush}` : `mov ax, ${FROM_LDT | level}\nmov es, ax\npush ds\npop ds`;
        yield staged(`tables in ${place}`, `tables: ${structure} in ${place}, CPL ${level}`, {
          body: `${count}\nint3\n${use}\nud2`,
          places: { [structure]: place },
          paging: paged,
          level,
        });
      }
    }
  }
  for (const place of ['video', 'rom', 'nowhere'] as const) {
    yield staged(`tables in ${place}`, `tables: all in ${place}`, {
      body: `${count}\nint3\nud2`,
      places: { gdt: place, idt: place, ldt: place, tss: place },
      level: 3,
    });
  }
}

const SELF_MAPPED = new Map([
  [0x5, (AT.PAGE_TABLE & ~0xfff) | 7],
  [0x20, AT.PAGE_TABLE | 7],
  [0x21, AT.PAGE_DIRECTORY | 7],
]);

/** Programs with paging on. */
const PAGING: readonly (readonly [name: string, spec: StageSpec])[] = [
  [
    'page tables mapped into themselves, written and flushed',
    {
      body: `${count}\nxor dword [0x20000 + 4 * 0x30], 0x1000\nmov ebx, [0x30000]\ninvlpg [0x30000]`,
      pages: SELF_MAPPED,
    },
  ],
  [
    'accessed and dirty bits taken back for ever',
    {
      body: `${count}\nand dword [0x20000 + 4 * 0x40], ~0x60\ninvlpg [0x40000]\ninc dword [0x40000]`,
      pages: SELF_MAPPED,
    },
  ],
  [
    'the page directory is its own page table',
    {
      body: `mov eax, [0x4000]\nxor dword [0x4000 + 4 * 0x30], 0x1000\nmov eax, cr3\nmov cr3, eax`,
      setup: [
        `mov edi, ${AT.PAGE_DIRECTORY}`,
        'mov eax, 7',
        'fill: mov [edi], eax',
        'add eax, 0x1000',
        'add edi, 4',
        'cmp eax, 0x400000',
        'jb fill',
        `mov dword [${AT.PAGE_DIRECTORY}], ${AT.PAGE_DIRECTORY | 7}`,
        'jmp filled',
        'filled:',
      ].join('\n'),
    },
  ],
  [
    'a page table entry that maps nothing, then something',
    {
      body: `xor dword [${AT.PAGE_TABLE} + 4 * 0x50], 1\ninvlpg [0x50000]\ninc dword [0x50000]`,
    },
  ],
  [
    'code that unmaps its own page',
    {
      body: `mov dword [${AT.PAGE_TABLE} + 4 * ${AT.PROGRAM >>> 12}], 0\nmov eax, cr3\nmov cr3, eax`,
    },
  ],
  ['INVLPG of every page', { body: `${count}\ninvlpg [ebx]\nadd ebx, 0x1000` }],
  ['CR3 in a loop', { body: `${count}\nmov eax, cr3\nmov cr3, eax\nmov ebx, [0x30000]\ninc dword [0x31000]` }],
  [
    'paging off and on',
    {
      body: `${count}\nmov eax, cr0\nand eax, 0x7fffffff\nmov cr0, eax\nor eax, 0x80000000\nmov cr0, eax`,
    },
  ],
  [
    'write protection and global pages off and on',
    {
      body: `${count}\nmov eax, cr0\nxor eax, 0x10000\nmov cr0, eax\nmov eax, cr4\nxor eax, 0x80\nmov cr4, eax\ninc dword [0x30000]`,
    },
  ],
  [
    '4-MiB pages off and on',
    {
      body: `${count}\nmov eax, cr4\nxor eax, 0x10\nmov cr4, eax\nmov eax, cr3\nmov cr3, eax\nmov ebx, [0x30000]`,
      setup: `mov dword [${AT.PAGE_DIRECTORY} + 4], 0x87`,
    },
  ],
  [
    'PAE with tables of 32-bit entries',
    {
      body: `mov eax, cr0\nand eax, 0x7fffffff\nmov cr0, eax\nmov eax, cr4\nxor eax, 0x20\nmov cr4, eax\nmov eax, cr0\nor eax, 0x80000000\nmov cr0, eax`,
    },
  ],
  [
    'a page directory of ones',
    {
      body: 'mov eax, 0xfffff000\nmov cr3, eax\nmov ebx, [0x30000]',
    },
  ],
  ['a stack that grows into a page that is not there', { body: 'push eax\npush eax', pages: new Map([[7, 0]]) }],
  [
    'accesses across two pages, one of them absent',
    {
      body: `mov eax, [0x2ffffe]\nmov dword [0x2ffffd], 5\nlock inc dword [0x2fffff]`,
    },
  ],
  ['REP STOS into a page that is not there', { body: 'mov edi, 0x2ff000\nmov ecx, 0x10000\nrep stosd' }],
  [
    'REP MOVS backwards into a page that is not there',
    {
      body: 'std\nmov esi, 0x10000\nmov edi, 0x52000\nmov ecx, 0x4000\nrep movsd',
      pages: new Map([[0x50, 0]]),
    },
  ],
  [
    'REP CMPS against a page that is not there',
    {
      body: 'mov esi, 0x2fe000\nmov edi, 0x2ff000\nmov ecx, 0x10000\nrepe cmpsd',
    },
  ],
  [
    'a page that is video memory',
    {
      body: `${count}\ninc dword [0x30000]\npush dword [0x30000]\npop dword [0x30004]`,
      pages: new Map([[0x30, 0xb_8007]]),
    },
  ],
  [
    'a page that is nowhere',
    {
      body: `${count}\ninc dword [0x30000]\nlock xadd [0x30004], eax\nfnsave [0x30100]`,
      pages: new Map([[0x30, 0xd000_0007]]),
    },
  ],
];

/** Programs without paging: flat, 4 GiB. */
const FLAT: readonly (readonly [name: string, spec: StageSpec])[] = [
  ['REP MOVSB over 4 GiB', { body: 'mov ecx, -1\nmov esi, 0x100000\nmov edi, 0x200000\nrep movsb' }],
  ['REP MOVSD over all memory, itself included', { body: 'mov ecx, -1\nmov esi, 0x100000\nmov edi, 0\nrep movsd' }],
  ['REP STOSD over video memory', { body: `${count}\nmov ecx, 64\nmov edi, 0xb7f80\nrep stosd` }],
  ['REP STOSD where nothing is', { body: 'mov ecx, -1\nmov edi, 0xc0000000\nrep stosd' }],
  ['REP LODSD over 4 GiB', { body: 'mov ecx, -1\nmov esi, 0\nrep lodsd' }],
  ['REPE CMPSD over 4 GiB', { body: 'mov ecx, -1\nmov esi, 0x100000\nmov edi, 0x100000\nrepe cmpsd' }],
  ['REPNE SCASB over 4 GiB', { body: `mov ecx, -1\nmov edi, 0x100000\nmov al, 1\nrepne scasb` }],
  ['REP with nothing to do', { body: `${count}\nxor ecx, ecx\nrep movsd\nrep stosb\nrepe cmpsb` }],
  [
    'REP in a storm of single steps',
    { body: 'mov ecx, 1000\nmov esi, 0x100000\nmov edi, 0x180000\nrep movsd', flags: 0x100 },
  ],
  ['REP OUTSB to the debug console', { body: 'mov ecx, -1\nmov esi, 0x1000\nmov edx, 0xe9\nrep outsb' }],
  ['REP INSB into video memory', { body: 'mov ecx, 0x10000\nmov edi, 0xb8000\nmov edx, 0x40\nrep insb' }],
  ['a stack in video memory', { body: `${count}\nmov esp, 0xb8800\npusha\npopa\nint3\npush eax\ncall next\nnext:` }],
  ['a stack that wraps at 0', { body: `mov esp, 6\npush eax\npush eax\npusha\nint3` }],
  ['ENTER with 31 levels', { body: `mov esp, 0x8f00\nmov ebp, 0x8e00\nenter 2000, 31` }],
  [
    'locked accesses to video memory',
    { body: `${count}\nlock inc dword [0xb8000]\nlock cmpxchg [0xb8004], eax\nxchg [0xb8ffd], eax` },
  ],
  [
    'x87 state in video memory and across its end',
    { body: `${count}\nfnsave [0xb8000]\nfrstor [0xb8000]\nfnsave [0xbfff0]\nfnstenv [0x9fff8]` },
  ],
  ['code in video memory', { body: `mov dword [0xb8000], 0xc3434343\nmov eax, 0xb8000\ncall eax` }],
  ['code where nothing is', { body: `mov eax, 0xd0000000\njmp eax` }],
  ['code across the end of the address space', { body: `mov eax, 0xfffffffe\njmp eax` }],
  [
    'descriptors changed and loaded',
    {
      body: `xor byte [${AT.GDT + SELECTOR.FREE + 5}], 0x81\nmov ax, ${SELECTOR.FREE}\nmov es, ax\nlar ebx, ax`,
      setup: `mov dword [${AT.GDT + SELECTOR.FREE}], 0xffff\nmov dword [${AT.GDT + SELECTOR.FREE + 4}], 0xcf1200`,
    },
  ],
  [
    'LGDT and LIDT of every limit',
    { body: `lgdt [table]\nlidt [table]\nint3\ninc word [table]`, data: `table: dw 0\ndd ${AT.IDT}` },
  ],
  ['debug registers in a loop', { body: `${count}\nmov dr7, eax\nadd eax, 0x10401\nmov dr0, eax\nmov ebx, dr6` }],
  ['TSC and MSRs', { body: `rdtsc\nmov ecx, eax\nrdmsr\nmov ecx, 0x10\nxor edx, edx\nwrmsr` }],
  ['CPUID and WBINVD', { body: `${count}\nmov eax, ebx\ncpuid\nwbinvd\ninc ebx` }],
];

/** What it does is counted by the program itself, or by the handler of what it meets. */
const countsOf = ({ body }: StageSpec) => (body.startsWith(count) ? { counts: COUNT } : {});

export function* memoryStorms(): Generator<HostileProgram> {
  yield* misplaced();
  for (const [name, spec] of PAGING) {
    const kind = /REP/.test(name)
      ? 'repeated strings, paged'
      : /tables|directory|bits/.test(name)
        ? 'page tables'
        : 'translations';
    yield staged(kind, `paged: ${name}`, { paging: true, ...spec }, countsOf(spec));
  }
  for (const [name, spec] of FLAT) {
    const kind = /REP/.test(name) ? 'repeated strings' : /video/.test(name) ? 'video memory' : 'odd places';
    yield staged(kind, `flat: ${name}`, spec, countsOf(spec));
  }
}
