import { describe, expect, it } from 'vitest';
import { lowerCold } from '../../src/engine/interpreter/cold-lowering.ts';
import { FormCatalog, type HotHandler } from '../../src/engine/interpreter/form-catalog.ts';
import { HotLowering } from '../../src/engine/interpreter/hot-lowering.ts';
import { PSEUDO } from '../../src/engine/interpreter/pseudo-handlers.ts';
import { createEmittedCallWriter } from '../../src/engine/lowering/emitted-helpers.ts';
import { LocalPool } from '../../src/engine/lowering/value-lowering.ts';
import { createDecoder, isFailure } from '../../src/isa/decoder.ts';
import { INSTRUCTIONS } from '../../src/isa/table.ts';
import { CodeWriter, I32 } from '../../src/wasm/code-writer.ts';
import { ModuleBuilder } from '../../src/wasm/module-builder.ts';
import { wasmText } from '../support/wasm-text.ts';

/** What the interpreter emits for a few forms. Reviewed when it changes (`npm run bless`). */
const decoder = createDecoder(INSTRUCTIONS);
const catalog = new FormCatalog(INSTRUCTIONS);

function formOf(bytes: readonly number[], mode: 32 | 64) {
  const instruction = decoder.decode(Uint8Array.from(bytes), 0, mode);
  if (isFailure(instruction)) throw new TypeError('not an instruction');
  return catalog.formOf(instruction, { stackSize: mode, longMode: mode === 64 });
}

const byWidth = (first: number) => ({ 8: first, 16: first + 1, 32: first + 2, 64: first + 3 });

function cold(bytes: readonly number[], mode: 32 | 64): string {
  const imports = { load: byWidth(0), modify: byWidth(4), store: byWidth(8), helper: 12, raise: 14 };
  const writeEmittedCall = createEmittedCallWriter(new ModuleBuilder(), { imports: false });
  const environment = { imports, helperNumber: () => 100, causeNumber: () => 200, writeEmittedCall };
  return wasmText(lowerCold(formOf(bytes, mode), environment, { wide: mode === 64 }).finish());
}

function hot({ forms, segmented }: HotHandler): string {
  const code = new CodeWriter(1);
  const [record, target, linkFrom] = [code.newLocal(I32), code.newLocal(I32), code.newLocal(I32)];
  const labels = { again: code.loop(), enter: code.block(), resolve: code.block(), cold: code.block() };
  const pool = new LocalPool(code);
  for (const statements of forms) {
    new HotLowering(code, pool, { state: 0, record, target, linkFrom }, labels, { segmented }).handler(statements);
    pool.releaseAll();
  }
  for (const _ of Object.keys(labels)) code.end();
  return wasmText(code.finish());
}

/** The handler of an instruction, or of a compare and the branch behind it. */
function hotOf(bytes: readonly number[], branch?: readonly number[]): string {
  const form = formOf(bytes, 32);
  const { hotNumber } = branch ? catalog.fusedForm(form, formOf(branch, 32))! : form;
  return hot(catalog.hotHandlers[hotNumber! - PSEUDO.COUNT]);
}

const show = (parts: Readonly<Record<string, string>>): string =>
  Object.entries(parts)
    .map(([title, text]) => `;; ${title}\n${text}`)
    .join('\n');

describe('emitted code', () => {
  it('of hot handlers', async () => {
    const text = show({
      'add ecx, eax': hotOf([0x01, 0xc1]),
      'mov eax, [ebx]': hotOf([0x8b, 0x03]),
      'add [ebx], al': hotOf([0x00, 0x03]),
      'inc ecx': hotOf([0x41]),
      'shl eax, 4': hotOf([0xc1, 0xe0, 0x04]),
      'push eax': hotOf([0x50]),
      'cmp eax, ecx and jbe': hotOf([0x39, 0xc8], [0x76, 0x00]),
    });
    await expect(text).toMatchFileSnapshot('emitted-code/hot.txt');
  });

  it('of cold functions', async () => {
    const text = show({
      'add [ebx], al': cold([0x00, 0x03], 32),
      'add [rbx], rax': cold([0x48, 0x01, 0x03], 64),
      'div ecx': cold([0xf7, 0xf1], 32),
      'call [rax]': cold([0xff, 0x10], 64),
      'mov ds, ax': cold([0x8e, 0xd8], 32),
      'repe scasb': cold([0xf3, 0xae], 32),
    });
    await expect(text).toMatchFileSnapshot('emitted-code/cold.txt');
  });
});
