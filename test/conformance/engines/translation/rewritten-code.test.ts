/** Code that is made anew while it is hot: guest JITs, pages filled again, patched branches, writers that are not stores. */
import { describe, expect, it } from 'vitest';
import { LAYOUT, SELECTOR } from '../../../support/system-machine.ts';
import { ALIAS, enterUser, interruptEvery, leaveUserTo } from './hot-program.ts';
import { runHot } from './run-hot.ts';

const BUFFER = 0x30000;

describe('code and data in one page', () => {
  it.each([
    ['next to the loop', 'counter: dd 0\n'],
    ['far from it', 'align 4096, 0x90\ntimes 4092 nop\ncounter: dd 0\n'],
  ])('a counter %s is incremented in every round', (_, data) => {
    const { ebx, eax } = runHot({
      source: `mov ecx, 3000
        again:
        inc dword [counter]
        mov eax, [counter]
        add ebx, eax
        loop again`,
      handlers: data,
    });
    expect([eax, ebx]).toEqual([3000, (3000 * 3001) / 2]);
  });

  it('the loop lies behind its data, in the same page, and the data is all over it', () => {
    const { ebx } = runHot({
      source: `jmp start
        align 4096
        table: times 512 dd 0
        start: mov ecx, 2500
        again:
        mov edx, ecx
        and edx, 511
        add [table + edx * 4], ecx
        add ebx, [table + edx * 4]
        mov [tail + edx * 2], dx
        dec ecx
        jnz again
        jmp done
        tail: times 512 dw 0
        done:`,
    });
    let sum = 0;
    const table = new Uint32Array(512);
    for (let round = 2500; round > 0; round--) sum += table[round & 511] += round;
    expect(ebx).toBe(sum >>> 0);
  });

  it('the stack lies in the page of the code', () => {
    const { ebx } = runHot({
      source: `mov esp, stack
        mov ecx, 2500
        again:
        push ecx
        call add_it
        pop edx
        add ebx, edx
        dec ecx
        jnz again
        jmp done
        add_it: add ebx, [esp + 4]
        ret
        times 64 db 0
        stack:
        done:`,
    });
    expect(ebx).toBe(2500 * 2501);
  });
});

describe('a guest that makes code', () => {
  it('two versions of a routine in turn', () => {
    const { ebx, esi } = runHot({
      source: `mov ebp, 1500
        again:
        mov esi, first
        test ebp, 1
        jz copy
        mov esi, second
        copy: mov edi, ${BUFFER}
        mov ecx, 4
        rep movsd
        mov eax, ${BUFFER}
        call eax
        dec ebp
        jnz again
        mov esi, edx`,
      handlers: `first: add ebx, 3
        nop
        ret
        align 16
        second: inc edx
        jmp short there
        db 0xff
        there: add ebx, 5
        ret
        align 16`,
    });
    expect([ebx, esi]).toEqual([750 * 3 + 750 * 5, 750]);
  });

  it('a page is filled with other code, and then with the first again', () => {
    const page = (step: number) =>
      `mov ecx, 200\nround: add ebx, ${step}\ncall inner\ndec ecx\njnz round\nret\ntimes ${step * 7} nop\ninner: add edx, ${step}\nret`;
    const { ebx, edx } = runHot({
      prepare: (machine) => {
        machine.place(0x40000, page(1));
        machine.place(0x41000, page(2));
      },
      source: `mov ebp, 20
        again:
        mov esi, 0x40000
        call refill
        call refill
        dec ebp
        jnz again
        jmp done
        refill:
        mov edi, ${BUFFER}
        mov ecx, 1024
        rep movsd
        mov eax, ${BUFFER}
        jmp eax
        done:`,
    });
    expect([ebx, edx]).toEqual([20 * 200 * 3, 20 * 200 * 3]);
  });

  it('instructions grow and shrink, so that what was one becomes several', () => {
    // 5 one-byte instructions, or one of 5 bytes; the last byte of it is an instruction that is also entered by itself.
    const { ebx, edx } = runHot({
      source: `mov ebp, 1000
        again:
        mov dword [target], 0x43434343
        call target
        mov dword [target], 0x034381b9 ; mov ecx, 43034381h
        call target
        call target + 4
        dec ebp
        jnz again
        jmp done
        target: times 5 db 0x43
        inc edx
        ret
        done:`,
    });
    expect([ebx, edx]).toEqual([1000 * (5 + 0 + 1), 3000]);
  });

  const SWAP = 'mov eax, [branch + 1]\nxor eax, [difference]\nmov [branch + 1], eax';
  it.each([
    [
      'the opcode of a conditional jump',
      'xor byte [branch], 1',
      'test ebp, 2\nbranch: jz first\nbehind:',
      'jmp end_of_round',
    ],
    ['the offset of a jump', SWAP, 'branch: db 0xe9\ndd first - behind\nbehind:', 'jmp end_of_round'],
    ['the offset of a call', SWAP, 'branch: db 0xe8\ndd first - behind\nbehind: jmp end_of_round', 'ret'],
  ])('patches %s', (_, patch, branch, leave) => {
    const { esi, edi } = runHot({
      source: `mov eax, first - behind
        xor eax, second - behind
        mov [difference], eax
        mov ebp, 1200
        again:
        ${patch}
        ${branch}
        second: inc esi
        ${leave}
        first: inc edi
        ${leave}
        end_of_round: dec ebp
        jnz again`,
      handlers: 'difference: dd 0',
    });
    expect([esi, edi]).toEqual([600, 600]);
  });

  it('a loop that copies itself on and jumps to the copy', () => {
    // 32 bytes a copy; each adds 1 to EBX and goes on in the next, from the end back to the start.
    const { ebx } = runHot({
      source: `mov ebp, 1500
        mov edi, ${BUFFER}
        piece:
        call here
        here: pop esi
        sub esi, 5
        cmp edi, ${BUFFER + 0x2000}
        jb copy
        mov edi, ${BUFFER}
        copy: mov edx, edi
        mov ecx, (piece_end - piece + 3) / 4
        rep movsd
        inc ebx
        dec ebp
        jz near done_absolute
        jmp edx
        done_absolute: mov eax, done
        jmp eax
        piece_end:
        align 16
        done:`,
    });
    expect(ebx).toBe(1500);
  });
});

describe('who writes is not a store of the loop', () => {
  it.each(['identity', 'alias'])('the supervisor, in an interrupt, while user code is hot: %s', (through) => {
    const { ebx, esi } = runHot({
      paging: true,
      prepare: (machine) => interruptEvery(machine, 97),
      source: `${enterUser('user', 0x202)}
        user: mov ecx, 4000
        again:
        target: inc ebx
        nop
        dec ecx
        jnz again
        int 0x80
        done: cli`,
      handlers: `${leaveUserTo('done')}
        vector_9: xor byte [target + ${through === 'alias' ? ALIAS : 0}], ${0x43 ^ 0x46} ; INC EBX, INC ESI
        iretd`,
    });
    expect(ebx + esi).toBe(4000);
    expect(ebx).toBeGreaterThan(1500);
    expect(esi).toBeGreaterThan(1500);
  });

  it('somebody outside, as a chip does that masters the bus', () => {
    const { ebx } = runHot({
      source: 'mov ecx, 4000\nagain:\ntarget: inc ebx\nnop\ndec ecx\njnz again',
      // 4 instructions before the loop, 4 a round: before the target's round 1001, and in the middle of round 3001.
      events: [
        { at: 4 + 4 * 1000, act: (machine) => machine.write(machine.label('target'), [0x90]) },
        { at: 4 + 4 * 3000 + 2, act: (machine) => machine.write(machine.label('target'), [0x43]) },
      ],
    });
    expect(ebx).toBe(1000 + 999);
  });

  it('the accessed and dirty bits of a page table that is an operand', () => {
    const page = 0x50000;
    const { ebx, edx } = runHot({
      paging: true,
      // A page table for 800000h in the page of the code: its entry 0 is the operand of an instruction.
      source: `mov dword [${LAYOUT.PAGE_DIRECTORY + 8}], table + 7
        mov ebp, 1500
        again:
        mov dword [entry], ${page | 7}
        invlpg [0x800000]
        mov eax, [0x800000]
        call operand
        mov [0x800000], eax
        call operand
        dec ebp
        jnz again
        jmp done
        align 4096
        times 4095 nop
        operand: db 0xb8 ; mov eax, the entry
        table:
        entry: dd ${page | 7}
        add ebx, eax
        inc edx
        ret
        done:`,
    });
    expect(edx).toBe(3000);
    expect(ebx).toBe((1500 * ((page | 0x27) + (page | 0x67))) % 2 ** 32);
  });

  it('the accessed bit of a descriptor, in the middle of an instruction', () => {
    const { ebx } = runHot({
      source: `mov ebp, 1500
        again:
        mov byte [operand + 1 + 5 - 5], 0x92
        mov eax, operand + 1 - 5 - 8
        mov [pseudo + 2], eax
        lgdt [pseudo]
        mov eax, 8
        mov es, ax
        call operand
        add ebx, eax
        dec ebp
        jnz again
        lgdt [old]
        jmp done
        ; Descriptor 8: limit and base, then the access byte that is the lowest of the operand.
        dw 0xffff, 0
        db 0
        operand: db 0xb8
        db 0x92, 0xcf, 0, 0
        ret
        done: mov ax, ${SELECTOR.DATA}
        mov es, ax`,
      handlers: `pseudo: dw 0xff\ndd 0\nold: dw 0xfff\ndd ${LAYOUT.GDT}`,
    });
    expect(ebx).toBe(1500 * 0xcf93);
  });

  it('the processor, storing an x87 control word', () => {
    const { ebx } = runHot({
      source: `mov ebp, 1500
        fninit
        again:
        mov edx, ebp
        and edx, 1
        fldcw [words + edx * 2]
        call routine
        fnstcw [routine + 1]
        call routine
        dec ebp
        jnz again
        jmp done
        routine: mov eax, 0x11220000
        movzx eax, ax
        add ebx, eax
        ret
        done:`,
      handlers: 'words: dw 0x37f, 0x27f',
    });
    // Round 1500 finds 0, each other one what the round before has left.
    expect(ebx).toBe(1500 * (0x37f + 0x27f) - 0x27f);
  });
});

describe('a repeated store over itself', () => {
  it.each([
    ['leaves itself as it was', 0x9090_abf3],
    ['becomes something else on the way', 0x9090_9043],
  ])('%s', (_, pattern) => {
    const { edx } = runHot({
      source: `mov ebp, 700
        again:
        mov dword [self], 0x9090abf3 ; rep stosd
        mov edi, self - 32
        mov ecx, 16
        mov eax, ${pattern}
        jmp self
        align 16
        times 32 nop
        self: db 0xf3, 0xab, 0x90, 0x90
        times 32 nop
        add edx, ecx
        dec ebp
        jnz again`,
    });
    // In its ninth iteration it writes over itself, and is looked at again for the tenth.
    expect(edx).toBe(pattern === 0x9090_abf3 ? 0 : 700 * 7);
  });
});

it('one page of code under two names, both hot, written under either', () => {
  const { ebx } = runHot({
    paging: true,
    source: `mov ebp, 1200
      mov esi, routine + ${ALIAS}
      again:
      call routine
      call esi
      mov [routine + 2], bp
      call esi
      call routine
      mov [routine + ${ALIAS} + 2], bp
      dec ebp
      jnz again
      jmp done
      align 4096
      routine: db 0x81, 0xc3 ; add ebx, 0
      dd 0
      ret
      done:`,
  });
  let [sum, last] = [0, 0];
  for (let round = 1200; round > 0; round--) {
    sum += 2 * last + 2 * round;
    last = round;
  }
  expect(ebx).toBe(sum);
});

it('an instruction that crosses a page is changed on either side of the border', () => {
  for (const before of [1, 2, 3, 4, 5]) {
    const { ebx } = runHot({
      source: `mov ebp, 600
        again:
        mov edx, ebp
        call routine
        mov [routine + 2], dl
        call routine
        mov [routine + 5], dl
        call routine
        dec ebp
        jnz again
        jmp done
        align 4096
        times 4096 - ${before} nop
        routine: db 0x81, 0xc3
        dd 0
        ret
        done:`,
    });
    let [sum, low, high] = [0, 0, 0];
    for (let round = 600; round > 0; round--) {
      sum += low + high * 2 ** 24;
      low = round & 0xff;
      sum += low + high * 2 ** 24;
      high = round & 0xff;
      sum += low + high * 2 ** 24;
    }
    expect({ before, ebx }).toEqual({ before, ebx: sum % 2 ** 32 });
  }
});

it('an instruction whose own operand it changes', () => {
  // ADD [its immediate], its immediate: doubled each time.
  const { ebx } = runHot({
    source: `mov ebp, 150
      outer: mov dword [itself + 6], 1
      mov ecx, 20
      again:
      itself: db 0x81, 0x05
      dd itself + 6, 1
      add ebx, [itself + 6]
      dec ecx
      jnz again
      dec ebp
      jnz outer`,
  });
  expect(ebx).toBe(150 * (2 ** 21 - 2));
});
