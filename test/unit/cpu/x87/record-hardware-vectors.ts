/**
 * Records `hardware-vectors.json`: runs the vectors of `x87-vectors.ts` on this machine's FPU. It needs an x86-64 Linux
 * with gcc, and is run by hand: node .ci/ts.js test/unit/cpu/x87/record-hardware-vectors.ts
 *
 * A small C program maps a page, and for each record writes FRSTOR, the instruction, FNSAVE into it and calls it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FpuResult, FpuState } from './x87-machine.ts';
import { encodeResult, FORMS, MEMORY_BYTES, makeVectors } from './x87-vectors.ts';

const RECORD = { image: 0, memory: 108, length: 124, code: 125, flags: 128, ax: 132, size: 136 } as const;

const SOURCE = `
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
struct record { uint8_t image[108], memory[16], length, code[3]; uint32_t flags, ax; } __attribute__((packed));
int main(void) {
  uint8_t *area = mmap(0, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t out[2];
  struct record r;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    /* push r8; popfq; mov eax, 5555h; frstor [rdi] */
    static const uint8_t before[] = {0x41, 0x50, 0x9d, 0xb8, 0x55, 0x55, 0, 0, 0xdd, 0x27};
    /* pushfq; pop [rcx]; mov [rcx+8], rax; fnsave [rdx]; fninit; ret */
    static const uint8_t after[] = {0x9c, 0x8f, 0x01, 0x48, 0x89, 0x41, 0x08, 0xdd, 0x32, 0xdb, 0xe3, 0xc3};
    memcpy(area, before, sizeof before);
    memcpy(area + sizeof before, r.code, r.length);
    memcpy(area + sizeof before + r.length, after, sizeof after);
    __builtin___clear_cache((char *)area, (char *)area + 64);
    ((void (*)(void *, void *, void *, void *, uint64_t))area)(r.image, r.memory, r.image, out, r.flags | 0x202);
    r.flags = out[0];
    r.ax = out[1];
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
`;

function encodeInput(code: readonly number[], vectors: readonly FpuState[]): Buffer {
  const buffer = Buffer.alloc(vectors.length * RECORD.size);
  vectors.forEach((vector, index) => {
    const record = buffer.subarray(index * RECORD.size);
    [vector.control, vector.status, vector.tags].forEach((word, field) => {
      record.writeUInt32LE(0xffff_0000 + word, RECORD.image + 4 * field);
    });
    vector.stack.forEach(({ sign, exponent, significand }, register) => {
      record.writeBigUInt64LE(significand, RECORD.image + 28 + 10 * register);
      record.writeUInt16LE((sign << 15) | exponent, RECORD.image + 36 + 10 * register);
    });
    record.set(vector.memory, RECORD.memory);
    record[RECORD.length] = code.length;
    record.set(code, RECORD.code);
    record.writeUInt32LE(vector.flags, RECORD.flags);
  });
  return buffer;
}

function decodeOutput(record: Buffer): FpuResult {
  const stack = Array.from({ length: 8 }, (_, register) => {
    const signExponent = record.readUInt16LE(RECORD.image + 36 + 10 * register);
    return {
      sign: (signExponent >> 15) as 0 | 1,
      exponent: signExponent & 0x7fff,
      significand: record.readBigUInt64LE(RECORD.image + 28 + 10 * register),
    };
  });
  return {
    control: record.readUInt16LE(0),
    status: record.readUInt16LE(4),
    tags: record.readUInt16LE(8),
    stack,
    memory: new Uint8Array(record.subarray(RECORD.memory, RECORD.memory + MEMORY_BYTES)),
    flags: record.readUInt32LE(RECORD.flags) & 0x8d5,
    ax: record.readUInt32LE(RECORD.ax) & 0xffff,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'x87-'));
const program = join(folder, 'x87');
execFileSync('gcc', ['-O1', '-x', 'c', '-o', program, '-'], { input: SOURCE });
const results: Record<string, string> = {};
for (const form of FORMS) {
  const vectors = makeVectors(form);
  const { status, stdout } = spawnSync(program, { input: encodeInput(form.code, vectors), maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${form.name}: the program ended with ${status}`);
  const bytes = vectors.flatMap((vector, index) =>
    encodeResult(vector, decodeOutput(stdout.subarray(index * RECORD.size, (index + 1) * RECORD.size))),
  );
  results[form.name] = Buffer.from(bytes).toString('base64');
}
rmSync(folder, { recursive: true });
const target = join(import.meta.dirname, 'hardware-vectors.json');
writeFileSync(target, `${JSON.stringify(results, null, 2)}\n`);
console.log(`${FORMS.length} forms, ${FORMS.reduce((sum, { vectors }) => sum + vectors, 0)} vectors`);
