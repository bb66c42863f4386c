/**
 * Page faults in the middle of instructions of a hot loop: in every round the pages are taken away, an instruction faults
 * on them (on each page that it touches), the handler gives the page back and the instruction starts again.
 */
import { describe, expect, it } from 'vitest';
import { LAYOUT } from '../../../support/system-machine.ts';
import { enterUser, entryOf, leaveUserTo } from './hot-program.ts';
import { runHot } from './run-hot.ts';

/** Two pages of data; places in the first, and across the border. */
const PAGE = 0x70000;
const NEXT = 0x71000;
const D = PAGE + 0xf00;
const X = NEXT - 2;
const ROUNDS = 80;
/** Entry bits that the user loop finds when its round begins. */
const STATES = { absent: 6, 'read-only': 5, "the supervisor's": 3 } as const;

/** What faults: how often if the pages cannot be accessed at all, and if they cannot be written. */
type Faults = readonly [accessed: number, written: number];
const READ: Faults = [1, 0];
const WRITE: Faults = [1, 1];
const READ_BOTH: Faults = [2, 0];
const WRITE_BOTH: Faults = [2, 2];

const CASES: Readonly<Record<string, Faults>> = {
  // Loads, stores, read-modify-write.
  [`mov eax, [${D}]`]: READ,
  [`mov [${D}], ebx`]: WRITE,
  [`mov byte [${D + 1}], 0x5a`]: WRITE,
  [`movzx eax, word [${D}]`]: READ,
  [`movsx eax, byte [${D}]`]: READ,
  [`inc dword [${D}]`]: WRITE,
  [`dec byte [${D}]`]: WRITE,
  [`add [${D}], ebx`]: WRITE,
  [`adc [${D}], bx`]: WRITE,
  [`add ebx, [${D}]`]: READ,
  [`sbb bl, [${D}]`]: READ,
  [`cmp [${D}], ebx`]: READ,
  [`test [${D}], ebx`]: READ,
  [`neg dword [${D}]`]: WRITE,
  [`not word [${D}]`]: WRITE,
  [`xchg [${D}], ebx`]: WRITE,
  [`xchg [${D}], bl`]: WRITE,
  [`lock xadd [${D}], ebx`]: WRITE,
  [`mov eax, 1\nlock cmpxchg [${D}], ebx`]: WRITE,
  [`lock cmpxchg8b [${D}]`]: WRITE,
  [`bts dword [${D}], 5`]: WRITE,
  [`btc [${D - 0x40}], ecx`]: WRITE,
  [`bt dword [${D}], 5`]: READ,
  [`bsf eax, [${D}]`]: READ,
  [`shl dword [${D}], 3`]: WRITE,
  [`rcl byte [${D}], 1`]: WRITE,
  [`rcr dword [${D}], cl`]: WRITE,
  [`shld [${D}], ebx, 7`]: WRITE,
  [`setc [${D}]`]: WRITE,
  [`cmovnz eax, [${D}]`]: READ,
  [`imul ebx, [${D}]`]: READ,
  [`mul dword [${D}]`]: READ,
  [`xor edx, edx\nmov eax, ecx\ndiv dword [${D + 0x20}]`]: READ,
  [`bound ecx, [${D + 0x30}]`]: READ,
  [`mov [${D}], ds`]: WRITE,
  [`mov fs, [${D + 0x24}]`]: READ,
  [`les ebx, [${D + 0x20}]`]: READ,
  [`jmp [${D + 0x28}]`]: READ,
  // The x87.
  [`fld dword [${D}]\nfstp st0`]: READ,
  [`fld1\nfstp qword [${D}]`]: WRITE,
  [`fild qword [${D}]\nfistp word [${D}]`]: WRITE,
  [`fld1\nfiadd dword [${D}]\nfstp st0`]: READ,
  [`fnstcw [${D}]`]: WRITE,
  [`fnstsw [${D}]`]: WRITE,
  [`fld1\nfbstp [${X - 3}]`]: WRITE_BOTH,
  [`fld1\nfstp tword [${X - 3}]`]: WRITE_BOTH,
  [`fld tword [${X - 3}]\nfstp st0\nfninit`]: READ_BOTH,
  [`fnstenv [${X - 10}]`]: WRITE_BOTH,
  [`fnsave [${X - 50}]`]: WRITE_BOTH,
  // Across the border.
  [`mov eax, [${X}]`]: READ_BOTH,
  [`mov [${X}], ebx`]: WRITE_BOTH,
  [`mov [${NEXT - 1}], bx`]: WRITE_BOTH,
  [`inc dword [${X}]`]: WRITE_BOTH,
  [`add [${X + 1}], bx`]: WRITE_BOTH,
  [`xchg [${X}], ebx`]: WRITE_BOTH,
  [`lock cmpxchg8b [${X - 3}]`]: WRITE_BOTH,
  [`bts dword [${X}], 30`]: WRITE_BOTH,
  [`fld1\nfstp qword [${X}]`]: WRITE_BOTH,
  [`push dword [${X}]\npop eax`]: READ_BOTH,
  [`mov eax, [${D}]\nmov [${D}], ebx\ninc dword [${NEXT}]\nadd eax, [${X}]`]: [2, 2],
  // The stack.
  [`mov esp, ${NEXT + 4}\npush ebx`]: WRITE,
  [`mov esp, ${NEXT + 2}\npush ebx`]: WRITE_BOTH,
  [`mov esp, ${NEXT}\npush ebx`]: WRITE,
  [`mov esp, ${NEXT + 8}\npush ebx\npush ecx\npush edx\npop eax\npop eax\npop eax`]: WRITE_BOTH,
  [`mov esp, ${NEXT - 4}\npop eax\npop ebx`]: READ_BOTH,
  [`mov esp, ${X}\npop eax`]: READ_BOTH,
  [`mov esp, ${D}\npop dword [${NEXT + 8}]`]: [2, 1],
  [`mov esp, ${NEXT + 4}\npop dword [esp - 4]`]: WRITE,
  [`mov esp, ${NEXT + 4}\npush dword [${D}]`]: [2, 1],
  [`mov esp, ${NEXT + 12}\npushad`]: WRITE_BOTH,
  [`mov esp, ${NEXT - 12}\npopad\nmov ecx, 77`]: READ_BOTH,
  [`mov esp, ${NEXT + 2}\npushfd`]: WRITE_BOTH,
  [`mov esp, ${X}\npopfd`]: READ_BOTH,
  [`mov esp, ${NEXT + 4}\ncall after\nafter:`]: WRITE,
  [`mov esp, ${NEXT + 2}\nmov eax, after\ncall eax\nafter:`]: WRITE_BOTH,
  [`mov esp, ${D}\ncall [${D + 0x28}]`]: WRITE,
  [`mov esp, ${D + 0x28}\nret 8`]: READ,
  // ENTER asks whether the new top of the stack can be written, too.
  [`mov ebp, esp\nmov esp, ${NEXT + 8}\nenter 16, 0`]: WRITE_BOTH,
  [`mov ebp, ${D}\nmov esp, ${NEXT + 8}\nenter 16, 3`]: WRITE_BOTH,
  [`mov ebp, ${X}\nleave`]: READ_BOTH,
  [`mov esp, ${NEXT + 1}\npush word 7`]: WRITE_BOTH,
  // Strings.
  [`mov esi, ${D}\nlodsd`]: READ,
  [`mov edi, ${X}\nstosd`]: WRITE_BOTH,
  [`mov edi, ${NEXT - 13}\nmov ecx, 25\nrep stosb`]: WRITE_BOTH,
  [`mov edi, ${NEXT - 14}\nmov ecx, 9\nrep stosd`]: WRITE_BOTH,
  [`mov edi, ${NEXT + 13}\nmov ecx, 9\nstd\nrep stosd\ncld`]: WRITE_BOTH,
  [`mov esi, ${NEXT - 20}\nmov edi, ${LAYOUT.USER_STACK - 0x800}\nmov ecx, 40\nrep movsb`]: READ_BOTH,
  [`mov esi, ${LAYOUT.USER_STACK - 0x800}\nmov edi, ${NEXT - 22}\nmov ecx, 11\nrep movsd`]: WRITE_BOTH,
  [`mov esi, ${NEXT - 20}\nmov edi, ${NEXT - 19}\nmov ecx, 40\nrep movsb`]: WRITE_BOTH,
  [`mov esi, ${D}\nmov edi, ${NEXT + 8}\nmovsd`]: [2, 1],
  [`mov esi, ${NEXT - 20}\nmov edi, esi\nmov ecx, 40\nrepe cmpsb`]: READ_BOTH,
  [`mov al, 0xee\nmov edi, ${NEXT - 20}\nmov ecx, 40\nrepne scasb`]: READ_BOTH,
};

const normalized = (name: string): string => name.replaceAll('\n', ' / ');

describe.each(Object.entries(STATES))('pages that are %s', (state, bits) => {
  const cases = Object.entries(CASES).filter(([, [, written]], index) => {
    // A read of what is read-only is no different; to the engine, the supervisor's pages are absent ones: some will do.
    if (bits === STATES['read-only']) return written > 0;
    return bits === STATES.absent || index % 5 === 0;
  });

  it.each(cases.map(([code, faults]) => [normalized(code), code, faults] as const))(
    '%s',
    (_, code, [accessed, written]) => {
      const { read32, label } = runHot({
        paging: true,
        prepare: (machine) => {
          const values = Array.from({ length: 64 }, (_, number) => 0x0101_0101 * (number + 1));
          machine.write32(D - 0x80, ...values);
          machine.write32(NEXT - 0x40, ...values.slice(0, 32).map((value) => value & 0xff));
          // A divisor that is a selector too, bounds, and two ways on.
          machine.write32(D + 0x20, 0x23, 0x23, machine.label('on'), 0, 0, 1000);
          machine.write32(D + 0x30, 0, 1000);
        },
        source: `mov dword [rounds], ${ROUNDS}
          fninit
          ${enterUser('user')}
          user:
          mov ebx, 0x1234567
          mov ecx, 77
          again:
          mov edx, [rounds]
          mov eax, edx
          int 0x81
          ${code}
          on:
          mov esp, ${LAYOUT.USER_STACK}
          pushfd
          and dword [esp], 0xcd5 & ~0x400
          add [sums], eax
          add [sums + 4], ebx
          mov eax, [esp]
          add [sums + 8], eax
          and ebx, 0xffffff
          mov ecx, 77
          dec dword [rounds]
          jnz again
          int 0x80
          done: nop`,
        handlers: `${leaveUserTo('done')}
          vector_129:
          ${[PAGE, NEXT].map((page) => `mov dword [${entryOf(page)}], ${page | bits}\ninvlpg [${page}]`).join('\n')}
          iretd
          vector_14: push eax
          mov eax, cr2
          add [addresses], eax
          shr eax, 12
          or dword [eax * 4 + ${LAYOUT.PAGE_TABLE}], 7
          mov eax, [esp + 4]
          add [codes], eax
          inc dword [faults]
          pop eax
          add esp, 4
          iretd
          align 4
          rounds: dd 0
          faults: dd 0
          addresses: dd 0
          codes: dd 0
          sums: dd 0, 0, 0`,
      });
      const each = state === 'read-only' ? written : accessed;
      expect(read32(label('faults'))).toBe(each * ROUNDS);
    },
  );
});
