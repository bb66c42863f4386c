/** Memory of a stopped machine as text, from a linear address on. Nothing here has an effect that the guest could see. */
import type { Cpu } from '../cpu/cpu.ts';
import { codeSize } from '../cpu/mode-key.ts';
import { probeBytes } from '../machine/probe-memory.ts';
import { disassembleLines } from './disassemble-lines.ts';
import { type ExamineRequest, formatRows, formatString, UNITS } from './examine.ts';
import { hexDump } from './hex-dump.ts';

/** What is shown, and the address behind it. */
export interface MemoryText {
  readonly text: string;
  readonly next: number;
}

const LONGEST_INSTRUCTION = 15;
/** Bytes in which a string should end. */
const STRING_BYTES = 256;

export function dumpMemory(cpu: Cpu, address: number, length: number): MemoryText {
  return showBytes(cpu, address, length, (bytes) => [hexDump(address, bytes)]);
}

export function examineMemory(cpu: Cpu, address: number, request: ExamineRequest): MemoryText {
  const { format, unit, count } = request;
  if (format === 'i') return disassembleMemory(cpu, address, count);
  if (format === 's') return showStrings(cpu, address, count);
  return showBytes(cpu, address, count * UNITS[unit], (bytes) => formatRows(address, bytes, request));
}

export function disassembleMemory(cpu: Cpu, address: number, count: number): MemoryText {
  const bytes = probeBytes(cpu, address, count * LONGEST_INSTRUCTION);
  const lines = disassembleLines(bytes, address, codeSize(cpu.state.modeKey), count);
  const length = lines.reduce((sum, line) => sum + line.length, 0);
  const rows = lines.map(({ text }) => text);
  if (lines.length < count) rows.push(notMapped(address + length));
  return { text: rows.join('\n'), next: wrap(address + length) };
}

function showBytes(cpu: Cpu, address: number, length: number, rows: (bytes: Uint8Array) => string[]): MemoryText {
  const bytes = probeBytes(cpu, address, length);
  const shown = bytes.length === 0 ? [] : rows(bytes);
  if (bytes.length < length) shown.push(notMapped(address + bytes.length));
  return { text: shown.join('\n'), next: wrap(address + length) };
}

function showStrings(cpu: Cpu, address: number, count: number): MemoryText {
  const rows: string[] = [];
  let at = address;
  for (let index = 0; index < count; index++) {
    const bytes = probeBytes(cpu, at, STRING_BYTES);
    if (bytes.length === 0) {
      rows.push(notMapped(at));
      break;
    }
    const { text, length } = formatString(bytes);
    rows.push(`${hex8(at)}  ${text}`);
    at = wrap(at + length);
  }
  return { text: rows.join('\n'), next: at };
}

const wrap = (address: number): number => address % 2 ** 32;
const hex8 = (address: number): string => wrap(address).toString(16).padStart(8, '0');
const notMapped = (address: number): string => `${hex8(address)}  not mapped`;
