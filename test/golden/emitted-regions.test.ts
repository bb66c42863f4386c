import { describe, expect, it } from 'vitest';
import { lowerRegion } from '../../src/engine/jit/lowering/region-lowering.ts';
import { RegionModule } from '../../src/engine/jit/lowering/region-module.ts';
import { RegionCode } from '../support/region-code.ts';
import { wasmText } from '../support/wasm-text.ts';

/** What the translator emits for a few small loops. Reviewed when it changes (`npm run bless`). */
const LOOPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  arithmetic: {
    'a sum': `
      start: add eax, ecx
      xor edx, eax
      dec ecx
      jnz start`,
    'shifts and rotates': `
      start: shl eax, 3
      rol ebx, cl
      sar edx, 1
      rcr esi, 1
      sub ecx, 1
      jae start`,
    'a chain of carries': `
      start: adc eax, ebx
      adc edx, esi
      sbb edi, 7
      lea ecx, [ecx - 1]
      jecxz done
      jmp start
      done:`,
    'parts of registers': `
      start: mov al, dl
      add ah, al
      mov bx, ax
      inc dh
      movzx esi, bl
      movsx edi, ax
      cmp cx, si
      jne start`,
    'values chosen by flags': `
      start: cmp eax, edx
      setl bl
      cmovae esi, edi
      test eax, eax
      cmovs edx, eax
      dec ecx
      jg start`,
  },
  memory: {
    'bytes stored': `
      start: mov byte [esi + ebx], 1
      add ebx, edx
      cmp ebx, edi
      jbe start`,
    'words copied': `
      start: mov eax, [esi + ecx * 4]
      mov [edi + ecx * 4], eax
      inc ecx
      cmp ecx, 100
      jl start`,
    'a chain of pointers': `
      start: mov eax, [eax + 8]
      test eax, eax
      jnz start`,
    'read, modify, write': `
      start: add dword [esi], 3
      or word [esi + 4], dx
      inc byte [esi + 6]
      dec ecx
      jnz start`,
    'a segment with a base': `
      start: mov eax, [fs:ecx]
      add ecx, eax
      jnc start`,
    'the stack': `
      start: push ebx
      push 7
      pop edx
      pop ebx
      loop start`,
  },
  control: {
    'a routine that calls itself': `
      start: dec ecx
      js back
      call start
      back: inc eax
      ret`,
    'comparisons of several kinds': `
      start: cmp al, 'a'
      jb other
      cmp al, 'z'
      ja other
      inc ebx
      other: test ah, 4
      jnz start
      or edx, edx
      jp start`,
    'a computed jump': `
      start: movzx eax, byte [esi]
      inc esi
      jmp [ebx + eax * 4]`,
    'a loop that dispatches': `
      start: movzx eax, byte [esi]
      inc esi
      jump: jmp [ebx + eax * 4]
      way_0: inc edx
      jmp start
      way_1: dec edx
      jmp start
      way_2: neg edx
      jmp start
      way_3: not edx
      jmp start
      way_4: xor edx, edx
      jmp start`,
    'a repeated instruction': `
      start: mov ecx, edx
      rep stosd
      dec ebx
      jnz start`,
    'an instruction of the interpreter’s': `
      start: in al, dx
      test al, 1
      jz start`,
    'two pages': `
      times 4090 nop
      start: inc eax
      jmp other
      align 4096
      other: dec ecx
      jnz start`,
  },
};

/** Where the jump of a loop with that label was seen to go. */
const TARGETS = { jump: ['way_0', 'way_1', 'way_2', 'way_3', 'way_4'] };

describe('emitted regions', () => {
  it.each(Object.keys(LOOPS))('of %s', async (group) => {
    const text = Object.entries(LOOPS[group]).map(([title, source]) => {
      const { code } = lowerRegion(
        new RegionCode(source, { base: 'start', targets: source.includes('jump:') ? TARGETS : {} }).region('start'),
        new RegionModule({ maximumPages: 1, chained: false }),
      );
      return `;; ${title}\n${wasmText(code.finish())}`;
    });
    await expect(text.join('\n')).toMatchFileSnapshot(`emitted-code/regions-${group}.txt`);
  });
});
