/** The host CPU as an oracle: runs vectors natively, thousands in one process, through a static executable of ours. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble } from '../../isa/assemble.ts';
import type { Ending, Outcome, Vector, X87State } from '../vector.ts';
import { writeElf } from './elf.ts';
import { HARNESS_32, HARNESS_64, HARNESS_MAP, PARAMETER } from './harness.ts';

/** Why this host cannot be the oracle, or undefined if it can. */
export function hostOracleUnavailable(): string | undefined {
  if (platform() !== 'linux') return `the host runs ${platform()}, not Linux`;
  if (arch() !== 'x64') return `the host CPU is ${arch()}, not x86-64`;
  return undefined;
}

/** Who made the host's CPU. */
export const hostMake = (): 'amd' | 'other' => (cpus()[0]?.model.startsWith('AMD') ? 'amd' : 'other');

const X87_QUADS = 20; // the part of an FXSAVE image up to ST(7)
const FSAVE_BYTES = 112; // 108, rounded up
const MXCSR_DEFAULT = 0x1f80;
/** x86-64 `gregs` of ucontext, by register number. */
const GREG_64 = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7] as const;
const GREGS_64 = { rip: 16, eflags: 17, err: 19, trapno: 20, cr2: 22, count: 23, loaded: 18 } as const;
/** i386 `struct sigcontext_32`, by register number; in doublewords. */
const GREG_32 = [11, 10, 9, 8, 7, 6, 5, 4] as const;
const GREGS_32 = { first: 4, trapno: 12, err: 13, eip: 14, eflags: 16, cr2: 21, count: 22, loaded: 8 } as const;

const VECTOR_BP = 3;
const VECTOR_PF = 14;
export interface HostBatch {
  readonly mode: 32 | 64;
  /** All of one mode; all with or all without x87 state; windows of one size, a multiple of 8 bytes. */
  readonly vectors: readonly Vector[];
}

/** Runs vectors on the host, one process per batch. */
export class HostOracle {
  readonly #harness = { 32: assembleHarness(32), 64: assembleHarness(64) } as const;

  /** @throws Error when the process does not end as it should */
  run({ mode, vectors }: HostBatch): Outcome[] {
    if (vectors.length === 0) return [];
    const x87 = vectors[0].initial.x87 !== undefined;
    const layout = layoutOf(mode, { x87, windowSize: vectors[0].initial.memory.length });
    const { code, entry } = this.#harness[mode];
    const input = inputSegment(vectors, layout, { x87 });
    const image = writeElf(mode, entry, [
      { address: HARNESS_MAP.code, size: code.length, content: code, permissions: 'rwx' },
      { address: HARNESS_MAP.stack, size: HARNESS_MAP.stackSize, permissions: 'rw' },
      { address: HARNESS_MAP.slotPage, size: 0x1000, permissions: 'rwx' },
      { address: HARNESS_MAP.scratch, size: HARNESS_MAP.scratchSize, permissions: 'rw' },
      { address: HARNESS_MAP.parameters, size: input.length, content: input, permissions: 'rw' },
      { address: HARNESS_MAP.results, size: layout.resultSize * (vectors.length + 1), permissions: 'rw' },
    ]);
    const output = execute(image, layout.resultSize * (vectors.length + 1));
    const results = new DataView(output.buffer, output.byteOffset, output.byteLength);
    // The first record is of the breakpoint that starts it all.
    return vectors.map((vector, index) => layout.read(results, (index + 1) * layout.resultSize, vector));
  }
}

function assembleHarness(mode: 32 | 64): { readonly code: Uint8Array; readonly entry: number } {
  const { bytes, labels } = assemble(mode === 64 ? HARNESS_64 : HARNESS_32, { bits: mode });
  return { code: bytes, entry: labels.get('start')! };
}

/** The parameter page and the vectors behind it. */
function inputSegment(vectors: readonly Vector[], layout: Layout, { x87 }: { x87: boolean }): Uint8Array {
  const start = HARNESS_MAP.vectors - HARNESS_MAP.parameters;
  const input = new Uint8Array(start + layout.vectorSize * vectors.length);
  const view = new DataView(input.buffer);
  const parameters = {
    vector: HARNESS_MAP.vectors,
    vectorEnd: HARNESS_MAP.vectors + layout.vectorSize * vectors.length,
    result: HARNESS_MAP.results,
    resultStart: HARNESS_MAP.results,
    fpuQuads: x87 ? X87_QUADS : 0,
    windowQuads: vectors[0].initial.memory.length / 8,
    window: HARNESS_MAP.scratch,
  } satisfies Record<keyof typeof PARAMETER, number>;
  for (const [name, value] of Object.entries(parameters)) {
    view.setUint32(PARAMETER[name as keyof typeof PARAMETER], value, true);
  }
  vectors.forEach((vector, index) => {
    layout.write(view, start + index * layout.vectorSize, vector);
  });
  return input;
}

function execute(image: Uint8Array, expectedBytes: number): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-difftest-'));
  try {
    const file = join(folder, 'vectors');
    writeFileSync(file, image, { mode: 0o755 });
    const child = spawnSync(file, [], {
      maxBuffer: expectedBytes + 1,
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 120_000,
    });
    if (child.error) throw child.error;
    if (child.status !== 0 || child.stdout.length !== expectedBytes) {
      throw new Error(
        `vector program: status ${child.status}, signal ${child.signal}, ${child.stdout.length} of ${expectedBytes} bytes`,
      );
    }
    return child.stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Layout {
  readonly vectorSize: number;
  readonly resultSize: number;
  write(view: DataView, at: number, vector: Vector): void;
  read(view: DataView, at: number, vector: Vector): Outcome;
}

interface Extras {
  readonly x87: boolean;
  readonly windowSize: number;
}

const layoutOf = (mode: 32 | 64, extras: Extras): Layout => (mode === 64 ? layout64(extras) : layout32(extras));

/** The rest of the slot is breakpoints. */
function paddedCode(code: Uint8Array): Uint8Array {
  const slot = new Uint8Array(16).fill(0xcc);
  slot.set(code);
  return slot;
}

function layout64({ x87, windowSize }: Extras): Layout {
  const registers = GREGS_64.loaded * 8 + 8 + 16;
  const fpu = x87 ? X87_QUADS * 8 : 0;
  return {
    vectorSize: registers + fpu + windowSize,
    resultSize: GREGS_64.count * 8 + fpu + windowSize,
    write(view, at, { initial, code, window }) {
      initial.registers.forEach((value, register) => {
        view.setBigUint64(at + GREG_64[register] * 8, value, true);
      });
      view.setBigUint64(at + GREGS_64.rip * 8, BigInt(HARNESS_MAP.slot), true);
      view.setBigUint64(at + GREGS_64.eflags * 8, BigInt(initial.flags), true);
      view.setBigUint64(at + GREGS_64.loaded * 8, BigInt(window), true);
      bytes(view, at + GREGS_64.loaded * 8 + 8, 16).set(paddedCode(code));
      if (initial.x87) writeFxsave(view, at + registers, initial.x87);
      bytes(view, at + registers + fpu, windowSize).set(initial.memory);
    },
    read(view, at, vector) {
      const greg = (index: number) => view.getBigUint64(at + index * 8, true);
      const after = at + GREGS_64.count * 8;
      return {
        ending: ending(vector, {
          trap: Number(greg(GREGS_64.trapno)),
          errorCode: Number(greg(GREGS_64.err)),
          ip: greg(GREGS_64.rip),
          address: greg(GREGS_64.cr2),
        }),
        final: {
          registers: GREG_64.map(greg),
          flags: Number(greg(GREGS_64.eflags)),
          ...(x87 && { x87: readFxsave(view, after) }),
          memory: bytes(view, after + fpu, windowSize).slice(),
        },
      };
    },
  };
}

function layout32({ x87, windowSize }: Extras): Layout {
  const registers = GREGS_32.loaded * 4 + 16;
  const vectorFpu = x87 ? FSAVE_BYTES : 0;
  const resultFpu = x87 ? X87_QUADS * 8 : 0;
  return {
    vectorSize: registers + 16 + vectorFpu + windowSize,
    resultSize: GREGS_32.count * 4 + resultFpu + windowSize,
    write(view, at, { initial, code, window }) {
      initial.registers.slice(0, 8).forEach((value, register) => {
        view.setUint32(at + (GREG_32[register] - GREGS_32.first) * 4, Number(value), true);
      });
      [HARNESS_MAP.slot, initial.flags, window].forEach((value, index) => {
        view.setUint32(at + (GREGS_32.loaded + index) * 4, value, true);
      });
      bytes(view, at + registers, 16).set(paddedCode(code));
      if (initial.x87) writeFsave(view, at + registers + 16, initial.x87);
      bytes(view, at + registers + 16 + vectorFpu, windowSize).set(initial.memory);
    },
    read(view, at, vector) {
      const word = (index: number) => view.getUint32(at + index * 4, true);
      const after = at + GREGS_32.count * 4;
      return {
        ending: ending(vector, {
          trap: word(GREGS_32.trapno),
          errorCode: word(GREGS_32.err),
          ip: BigInt(word(GREGS_32.eip)),
          address: BigInt(word(GREGS_32.cr2)),
        }),
        final: {
          registers: GREG_32.map((index) => BigInt(word(index))),
          flags: word(GREGS_32.eflags),
          ...(x87 && { x87: readFxsave(view, after) }),
          memory: bytes(view, after + resultFpu, windowSize).slice(),
        },
      };
    },
  };
}

const bytes = (view: DataView, at: number, size: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, size);

/** A breakpoint behind the instruction, or an instruction fetch that fails, means that it went on there. */
function ending(vector: Vector, event: { trap: number; errorCode: number; ip: bigint; address: bigint }): Ending {
  const { trap, errorCode, ip, address } = event;
  const slot = BigInt(HARNESS_MAP.slot);
  if (trap === VECTOR_BP) {
    // Within the instruction: it is INT3 itself.
    if (ip === slot + BigInt(vector.code.length)) return { kind: 'fault', vector: trap, errorCode: 0, ip };
    return { kind: 'next', ip: ip - 1n };
  }
  const fetch = trap === VECTOR_PF && ip !== slot && address === ip;
  if (fetch) return { kind: 'next', ip };
  return { kind: 'fault', vector: trap, errorCode, ip, ...(trap === VECTOR_PF && { address }) };
}

function writeFxsave(view: DataView, at: number, x87: X87State): void {
  view.setUint16(at, x87.controlWord, true);
  view.setUint16(at + 2, x87.statusWord, true);
  view.setUint8(at + 4, x87.tags);
  view.setUint32(at + 24, MXCSR_DEFAULT, true);
  x87.stack.forEach((value, index) => {
    write80(view, at + 32 + 16 * index, value);
  });
}

function readFxsave(view: DataView, at: number): X87State {
  return {
    controlWord: view.getUint16(at, true),
    statusWord: view.getUint16(at + 2, true),
    tags: view.getUint8(at + 4),
    stack: Array.from({ length: 8 }, (_, index) => read80(view, at + 32 + 16 * index)),
  };
}

function writeFsave(view: DataView, at: number, x87: X87State): void {
  let tags = 0;
  for (let register = 0; register < 8; register++) if (!((x87.tags >> register) & 1)) tags |= 3 << (2 * register);
  [x87.controlWord, x87.statusWord, tags].forEach((value, index) => {
    view.setUint32(at + 4 * index, value, true);
  });
  x87.stack.forEach((value, index) => {
    write80(view, at + 28 + 10 * index, value);
  });
}

function write80(view: DataView, at: number, value: bigint): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  view.setUint16(at + 8, Number(value >> 64n), true);
}

const read80 = (view: DataView, at: number): bigint =>
  view.getBigUint64(at, true) | (BigInt(view.getUint16(at + 8, true)) << 64n);
