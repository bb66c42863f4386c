/** Graphs that a translator of structured loops has trouble with: irreducible, overlapping, computed, unbalanced. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/difftest/random.ts';
import { LAYOUT } from '../../../support/system-machine.ts';
import { runHot } from './run-hot.ts';

const BUFFER = 0x30000;

describe('loops with more than one entry', () => {
  it('a loop entered at its head and in its middle in turn', () => {
    const { ebx, esi } = runHot({
      source: `mov ebp, 800
        outer: mov ecx, 5
        test ebp, 1
        jnz middle
        head: inc ebx
        middle: inc esi
        dec ecx
        jnz head
        dec ebp
        jnz outer`,
    });
    expect([ebx, esi]).toEqual([800 * 5 - 400, 800 * 5]);
  });

  it('two loops that jump into each other', () => {
    const { ebx, esi, edx } = runHot({
      source: `mov ebp, 4000
        mov eax, 12345
        first: inc ebx
        call next_number
        jc inside_second
        inside_first: dec ebp
        jz done
        test eax, 0x4000
        jnz first
        second: inc esi
        call next_number
        jc inside_first
        inside_second: inc edx
        dec ebp
        jz done
        test eax, 0x8000
        jnz second
        jmp first
        next_number: imul eax, eax, 1103515245
        add eax, 12345
        bt eax, 17
        ret
        done:`,
      needsReference: true,
    });
    let [number, rounds] = [12345, 4000];
    const found = { ebx: 0, esi: 0, edx: 0 };
    const next = () => {
      number = (Math.imul(number, 1103515245) + 12345) >>> 0;
      return (number >>> 17) & 1;
    };
    let at: 'first' | 'insideFirst' | 'second' | 'insideSecond' = 'first';
    while (rounds > 0) {
      if (at === 'first') {
        found.ebx++;
        at = next() ? 'insideSecond' : 'insideFirst';
      } else if (at === 'second') {
        found.esi++;
        at = next() ? 'insideFirst' : 'insideSecond';
      } else {
        if (at === 'insideSecond') found.edx++;
        rounds--;
        const bit: number = at === 'insideFirst' ? 0x4000 : 0x8000;
        const [same, other]: readonly ('first' | 'second')[] =
          at === 'insideFirst' ? ['first', 'second'] : ['second', 'first'];
        at = number & bit ? same : other;
      }
    }
    expect({ ebx, esi, edx }).toEqual(found);
  });

  it('three loops within one another, left and entered in the middle', () => {
    const { ebx } = runHot({
      source: `mov ebp, 30
        outer: mov edx, 7
        middle: mov ecx, 11
        inner: inc ebx
        test ebx, 15
        jz middle_tail
        test ebx, 63
        jz outer_tail
        test ebx, 3
        jz inner_tail
        inc esi
        inner_tail: dec ecx
        jnz inner
        middle_tail: dec edx
        jnz middle
        outer_tail: dec ebp
        jz done
        test ebp, 4
        jz outer
        mov edx, 3
        mov ecx, 2
        jmp inner_tail
        done:`,
      needsReference: true,
    });
    expect(ebx).toBe(1120);
  });

  it.each([
    [1, 24],
    [2, 24],
    [3, 24],
    [4, 24],
    [5, 150],
    [6, 150],
    [7, 600],
  ])('a random graph of conditional jumps: number %i, of %i blocks', (seed, blocks) => {
    const random = new Random(seed);
    const block = (index: number) => {
      const condition = random.pick([
        'jz',
        'jnz',
        'jc',
        'jnc',
        'js',
        'jns',
        'jp',
        'jnp',
        'jo',
        'jl',
        'jg',
        'jbe',
        'ja',
      ]);
      const change = random.pick([
        'add eax, 0x9e3779b9',
        'rol eax, 5',
        'xor eax, ebx',
        'sub ebx, eax',
        'imul eax, eax, 77',
        'adc ebx, 3',
        'inc edx',
        'test al, 0x44',
        'add [table + 64], eax',
      ]);
      const to = () => `block_${random.below(blocks)}`;
      const end = random.oneIn(5)
        ? `mov esi, eax\nand esi, 15\njmp [table + esi * 4]`
        : random.oneIn(6)
          ? `jmp ${to()}`
          : '';
      return `block_${index}: dec ebp\njz near done\n${change}\n${condition} ${to()}\nadd edi, ${index}\n${end}`;
    };
    const { ebp, retired } = runHot({
      source: `mov ebp, 3000
        mov eax, ${seed}
        ${Array.from({ length: blocks }, (_, index) => block(index)).join('\n')}
        jmp block_0
        align 4
        table: ${Array.from({ length: 16 }, () => `dd block_${random.below(blocks)}`).join('\n')}
        dd 0
        done:`,
      needsReference: seed < 3,
    });
    expect(ebp).toBe(0);
    expect(retired).toBeGreaterThan(9000);
  });
});

describe('computed jumps', () => {
  it('an interpreter: a table of 16 routines in the loop, chosen by data', () => {
    const random = new Random(9);
    const program = Array.from({ length: 256 }, () => random.below(16));
    const { ebx } = runHot({
      source: `mov ebp, 3000
        xor esi, esi
        next: movzx eax, byte [code + esi]
        inc esi
        and esi, 255
        dec ebp
        jz near done
        jmp [table + eax * 4]
        ${Array.from({ length: 16 }, (_, index) => `routine_${index}: add ebx, ${index * 3 + 1}\n${index % 3 === 0 ? `rol ebx, ${index}\n` : ''}jmp next`).join('\n')}
        align 4
        table: ${Array.from({ length: 16 }, (_, index) => `dd routine_${index}`).join('\n')}
        code: db ${program.join()}
        done:`,
    });
    let expected = 0;
    for (let step = 0; step < 2999; step++) {
      const index = program[step & 255];
      expected = (expected + index * 3 + 1) >>> 0;
      if (index % 3 === 0) expected = ((expected << index) | (index === 0 ? 0 : expected >>> (32 - index))) >>> 0;
    }
    expect(ebx).toBe(expected);
  });

  it('into every instruction of an unrolled loop', () => {
    // 64 times INC EBX, of one byte each.
    const { ebx } = runHot({
      source: `mov ebp, 640
        again: mov eax, ebp
        and eax, 63
        add eax, unrolled
        jmp eax
        unrolled: times 64 inc ebx
        dec ebp
        jnz again`,
    });
    let sum = 0;
    for (let round = 640; round > 0; round--) sum += 64 - (round & 63);
    expect(ebx).toBe(sum);
  });

  it('to more places than any cache has ways, from one jump', () => {
    const { ebx } = runHot({
      source: `mov ebp, 6000
        mov eax, 1
        again: imul eax, eax, 69069
        inc eax
        mov edx, eax
        shr edx, 20 ; 4096 targets of 4 bytes
        lea edx, [targets + edx * 4]
        call edx
        dec ebp
        jnz again
        jmp done
        align 4
        targets: times 4096 dd 0x9090c343 ; inc ebx, ret
        done:`,
    });
    expect(ebx).toBe(6000);
  });
});

describe('overlapping code', () => {
  it('two decodings of the same bytes, both hot', () => {
    // MOV EAX, EB434343h and ADD [EDX+46h], EAX; or, from the second byte on, three times INC EBX and a jump over INC EDX.
    const { ebx, edx, read32 } = runHot({
      source: `mov ebp, 2000
        again: test ebp, 1
        jz inside
        overlap: db 0xb8
        inside: db 0x43, 0x43, 0x43, 0xeb, 0x01
        inc edx
        inc esi
        dec ebp
        jnz again`,
    });
    expect([ebx, edx, read32(0x46)]).toEqual([3000, 0, (1000 * 0xeb43_4343) % 2 ** 32]);
  });

  it('a loop whose rounds are decoded at another offset each', () => {
    // A sled of 0x05 (ADD EAX, imm32): entered at any of five offsets.
    const { ebx } = runHot({
      source: `mov ebp, 2000
        again: xor edx, edx
        mov eax, ebp
        mov ecx, 5
        div ecx
        lea esi, [sled + edx]
        mov eax, ebp
        jmp esi
        sled: times 20 db 0x05
        times 5 nop
        add ebx, eax
        dec ebp
        jnz again`,
      needsReference: true,
    });
    let sum = 0;
    for (let round = 2000; round > 0; round--) {
      const bytes = [...Array(20).fill(5), ...Array(5).fill(0x90)];
      let at = round % 5;
      let eax = round;
      while (at < 25) {
        if (bytes[at] === 0x90) at++;
        else {
          // The last one reaches into the NOPs, never beyond: 20 + 4.
          eax += bytes[at + 1] | (bytes[at + 2] << 8) | (bytes[at + 3] << 16) | (bytes[at + 4] << 24);
          at += 5;
        }
      }
      sum = (sum + eax) >>> 0;
    }
    expect(ebx).toBe(sum);
  });

  it('a jump into the middle of itself', () => {
    // EB FF C3: JMP to its own second byte, where FF C3 is INC EBX.
    const { ebx } = runHot({
      source: 'mov ecx, 3000\nagain: db 0xeb, 0xff, 0xc3\ndec ecx\njnz again',
    });
    expect(ebx).toBe(3000);
  });

  it('a prefix that a jump leaves out', () => {
    const { ebx, edx } = runHot({
      source: `mov ebp, 2000
        again: test ebp, 1
        jz without
        db 0x66
        without: db 0x81, 0xc3 ; add ebx, 0x00014242 or add bx, 0x4242 / db 0x01, 0x00 (add [eax], eax)
        dd 0x00014242
        inc edx
        dec ebp
        jnz again`,
      prepare: (machine) => machine.write32(0, 0),
    });
    expect(edx).toBe(2000);
    expect(ebx % 0x1_0000).toBe((2000 * 0x4242) % 0x1_0000);
  });
});

describe('calls and returns', () => {
  it('deeply: a recursion to a depth of 1500, again and again', () => {
    const { ebx } = runHot({
      source: `mov ebp, 4
        mov esp, 0xf0000
        again: mov ecx, 1500
        call down
        dec ebp
        jnz again
        jmp done
        down: inc ebx
        dec ecx
        jz up
        call down
        add ebx, 2
        up: ret
        done: mov esp, ${LAYOUT.KERNEL_STACK}`,
    });
    expect(ebx).toBe(4 * (1500 + 2 * 1499));
  });

  it('a Fibonacci tree', () => {
    const { ebx } = runHot({
      source: `mov esp, 0xf0000
        mov eax, 15
        call fib
        jmp done
        fib: cmp eax, 2
        jb leaf
        push eax
        dec eax
        call fib
        mov eax, [esp]
        sub eax, 2
        call fib
        pop eax
        ret
        leaf: add ebx, eax
        ret
        done:`,
    });
    expect(ebx).toBe(610);
  });

  it.each([
    ['PUSH and RET instead of a jump', 'push there\nret', ''],
    ['a return address that was changed on the stack', 'call change\nud2', 'change: mov dword [esp], there\nret'],
    ['a return address that was incremented', 'call skip\nud2', 'skip: add dword [esp], 2\nret'],
    ['a call that never returns', 'call drop\nud2', 'drop: add esp, 4\njmp there'],
    ['two returns from one call', 'push there\ncall twice\nret', 'twice: ret'],
    [
      'a return from a callee’s callee to the first caller',
      'call one\njmp there',
      'one: call two\nud2\ntwo: add esp, 4\nret',
    ],
    ['a call of the next instruction', 'call next\nnext: pop eax\nadd eax, there - next\njmp eax', ''],
    ['RET with bytes to drop', 'push 1\npush 2\ncall drop_two\njmp there', 'drop_two: ret 8'],
    ['a far return to here', 'push cs\npush there\nretf', ''],
    ['a far call, and a far return', `push cs\ncall far_one\njmp there`, 'far_one: retf'],
    ['IRET as a jump', 'pushfd\npush cs\npush there\niretd', ''],
    [
      'a switch of stacks between call and return',
      `mov esi, esp\ncall switch\njmp there`,
      `switch: pop eax\nmov esp, ${BUFFER}\npush eax\nmov dword [other], 1\nret`,
    ],
    [
      'a coroutine',
      'xchg esp, [other_stack]\ncall enter_it\njmp back\nenter_it: xchg esp, [other_stack]\nback: jmp there',
      '',
    ],
  ])('%s', (_, code, routines) => {
    const { ebx, edx } = runHot({
      source: `mov dword [other_stack], 0xe0000
        mov ebp, 2500
        again: mov esp, ${LAYOUT.KERNEL_STACK}
        ${code}
        there: inc ebx
        add edx, esp
        sub edx, ${LAYOUT.KERNEL_STACK}
        dec ebp
        jnz again`,
      handlers: `${routines}\nalign 4\nother: dd 0\nother_stack: dd 0`,
    });
    expect(ebx).toBe(2500);
    if (!/switch|coroutine/.test(_)) expect(edx).toBe(0);
  });

  it('an exception handler that returns elsewhere', () => {
    const { ebx, edx } = runHot({
      source: `mov ebp, 1500
        again: xor eax, eax
        mov ecx, ebp
        and ecx, 3
        xor edx, edx
        mov eax, ebp
        divide: div ecx
        inc ebx
        jmp there
        skipped: inc esi
        there: dec ebp
        jnz again
        mov edx, esi`,
      handlers: 'vector_0: mov dword [esp], skipped\niretd',
    });
    expect([ebx, edx]).toEqual([1125, 375]);
  });
});
