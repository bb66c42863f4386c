/**
 * A system-level program as bytes: what lies in memory when the processor leaves reset, and what its exception log and
 * its own results must be in the end. `test/golden/transfers.json` holds such programs with results recorded from Bochs.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { CodeSpace } from '../../src/engine/code-space.ts';
import { type EngineName, Processor } from '../../src/engine/processor.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { LAYOUT } from './system-machine.ts';

/** Bytes, compressed, as text. */
export const pack = (bytes: Uint8Array): string => gzipSync(bytes, { level: 9 }).toString('base64');
export const unpack = (text: string): Uint8Array => Uint8Array.from(gunzipSync(Buffer.from(text, 'base64')));

export interface SystemImage {
  readonly name: string;
  /** Memory from address 0 on, packed. */
  readonly memory: string;
  /** ROM at FFFF0000h, packed. */
  readonly rom: string;
  /** Where HLT ends the program: offset of the next instruction. */
  readonly end: number;
  /** Number of results, from RESULTS on. */
  readonly count: number;
  /** Exception log and results, packed: what `readOutcome` gives. */
  readonly expected: string;
}

/** As much as Bochs loads as one RAM image. */
export const MEMORY_SIZE = 0x20000;
/** One doubleword for each attempt. */
export const RESULTS = 0x60000;
const LOG_FIELDS = ['vector', 'error', 'eip', 'cs', 'eflags', 'cr2', 'dr6', 'esp', 'resume'] as const;

/** The exception log and the results, as they lie in memory. */
export function readOutcome(read: (address: number, bytes: number) => Uint8Array, count: number): Uint8Array {
  const next = new DataView(Uint8Array.from(read(LAYOUT.LOG_NEXT, 4)).buffer).getUint32(0, true);
  return Uint8Array.of(...read(LAYOUT.LOG, next - LAYOUT.LOG), ...read(RESULTS, 4 * count));
}

/** One line for each exception, then one for each result. */
export function describeOutcome(outcome: Uint8Array, count: number): string[] {
  const words = new Uint32Array(Uint8Array.from(outcome).buffer);
  const entries = (words.length - count) / LOG_FIELDS.length;
  const show = (field: string, value: number) => {
    const shown = field === 'cs' ? value & 0xffff : field === 'dr6' ? value & 0xe00f : value;
    return `${field} ${shown.toString(16)}`;
  };
  const log = Array.from({ length: entries }, (_, entry) =>
    LOG_FIELDS.map((field, i) => show(field, words[entry * LOG_FIELDS.length + i])).join(', '),
  );
  return [
    ...log,
    ...Array.from(words.slice(entries * LOG_FIELDS.length), (word, i) => `result ${i}: ${word.toString(16)}`),
  ];
}

/** Runs an image on one of our engines. */
export function runImage(engine: EngineName, code: CodeSpace, image: SystemImage): Uint8Array {
  const memory = new GuestMemory(code.pool, { size: 2 ** 20 });
  memory.copyIn(0, unpack(image.memory));
  memory.addRom(0xffff_0000, unpack(image.rom));
  const processor = new Processor({
    name: image.name,
    code,
    memory,
    ports: { read: () => 0xff, write: () => {} },
    clock: new VirtualClock(),
    model: 'i686',
    engine,
    interrupts: { acknowledge: () => 0xff },
  });
  const exit = processor.run(500_000);
  if (exit.reason !== 'halted' || processor.state.ip !== image.end) {
    throw new Error(
      `${image.name}: ${exit.reason} at ${processor.state.ip.toString(16)}h ${exit.error?.message ?? ''}`,
    );
  }
  return readOutcome((address, bytes) => memory.copyOut(address, bytes), image.count);
}
