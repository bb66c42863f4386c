/** Short forms for system-level tests: logged exceptions as text, entries of descriptor tables. */
import { VECTOR } from '../../src/cpu/fault.ts';
import { descriptor, LAYOUT, type LoggedException, type SystemMachine, type SystemResult } from './system-machine.ts';

const NAMES = new Map(Object.entries(VECTOR).map(([name, vector]) => [vector as number, name]));
const WITH_ERROR_CODE: readonly number[] = [
  VECTOR.DF,
  VECTOR.TS,
  VECTOR.NP,
  VECTOR.SS,
  VECTOR.GP,
  VECTOR.PF,
  VECTOR.AC,
];

/** "#GP(18)", "#UD"; error codes in hexadecimal. */
export const showException = ({ vector, errorCode }: LoggedException): string => {
  const name = `#${NAMES.get(vector) ?? vector}`;
  return WITH_ERROR_CODE.includes(vector) ? `${name}(${errorCode.toString(16)})` : name;
};

export const faults = (result: SystemResult): string[] => result.exceptions.map(showException);

/** Writes a segment descriptor into the GDT. */
export function setSegment(machine: SystemMachine, selector: number, spec: Parameters<typeof descriptor>[0]): void {
  machine.write32(LAYOUT.GDT + (selector & 0xfff8), ...descriptor(spec));
}

export interface GateSpec {
  readonly selector: number;
  readonly offset?: number;
  /** P, DPL, type. */
  readonly access: number;
  /** Call gate: parameters to copy. */
  readonly count?: number;
}

const gateWords = ({ selector, offset = 0, access, count = 0 }: GateSpec): [number, number] => [
  (selector << 16) | (offset & 0xffff),
  (offset & 0xffff_0000) | (access << 8) | count,
];

/** Writes a gate into the GDT. */
export function setGate(machine: SystemMachine, selector: number, gate: GateSpec): void {
  machine.write32(LAYOUT.GDT + (selector & 0xfff8), ...gateWords(gate));
}

/** Writes a gate into the IDT. */
export function setVector(machine: SystemMachine, vector: number, gate: GateSpec): void {
  machine.write32(LAYOUT.IDT + 8 * vector, ...gateWords(gate));
}

/** Address of a label of the program. */
export function label(machine: SystemMachine, name: string): number {
  const address = machine.labels.get(name);
  if (address === undefined) throw new Error(`no label ${name}`);
  return address;
}
