/** What a machine's saved state must look like before anybody takes it for one: it may come from a file. */
import type { Device } from '../bus/device.ts';
import {
  anything,
  bit,
  bytes,
  choice,
  count,
  dictionary,
  flag,
  list,
  nullable,
  optional,
  record,
  type Schema,
  text,
  u8,
  u16,
  u32,
  u64,
  whole,
} from '../snapshot/schema.ts';
import { damaged } from '../snapshot/snapshot-error.ts';
import type { MachineConfiguration, MachineState } from './machine-state.ts';
import { MAXIMUM_MEMORY, MINIMUM_MEMORY } from './pc-map.ts';

const NAME = text(100);
const MOST_DEVICES = 100;
const MOST_SLOPE = 2 ** 36;
/** Of what chips keep besides memory: the longest is what the serial port has still to receive. */
const MOST_BYTES = 2 ** 26;
const MOST_LEVELS = 16;
const X87_REGISTERS = 8;
const EVENTS = 4;

const registerValue: Schema<number | bigint> = (value, place) =>
  typeof value === 'bigint' ? u64(value, place) : count(value, place);

const segment = record({ selector: u16, base: count, limit: u32, access: u32 });

const fault = record({
  vector: u8,
  errorCode: nullable(u32),
  address: nullable(count),
  kind: choice(['fault', 'trap', 'wait']),
  check: text(),
});

const processor = record({
  version: u32,
  model: NAME,
  instructions: count,
  time: record({ instructions: count, time: count, slope: whole(1, MOST_SLOPE) }),
  registers: record({
    general: dictionary(u64),
    eflags: u32,
    fields: dictionary(registerValue),
    segments: dictionary(segment),
    x87: list(record({ significand: u64, signExponent: u16 }), X87_REGISTERS),
    xmm: bytes({ length: 256 }),
  }),
  shadow: choice(['none', 'interrupts', 'all']),
  eventsDone: whole(0, EVENTS),
  intr: bit,
  nmi: bit,
  nmiPending: flag,
  alone: flag,
  trap: nullable(fault),
  followUp: nullable(fault),
  shutdown: flag,
});

const size = nullable(count);

export const machineState: Schema<MachineState> = record({
  version: u32,
  configuration: record({
    memoryBytes: count,
    cpu: NAME,
    boot: choice(['image', 'bios', 'rom']),
    romPages: list(u32, 2 ** 16),
    paravirtual: optional(flag),
    balloon: nullable(record({ deflateOnOutOfMemory: flag })),
    floppies: list(record({ type: NAME, medium: size }), 2),
    disks: list(count, 4),
    cdrom: nullable(record({ medium: size })),
  }),
  processor,
  devices: list(record({ name: NAME, version: u32, state: anything }), MOST_DEVICES),
});

/** What a machine is made of, before there is one that could look at the rest. @throws UserError */
export function checkConfigurationOf(state: unknown): MachineConfiguration {
  const { configuration } = machineState(state, 'machine');
  const { memoryBytes } = configuration;
  if (memoryBytes < MINIMUM_MEMORY || memoryBytes > MAXIMUM_MEMORY || memoryBytes % MINIMUM_MEMORY !== 0)
    throw damaged(`a memory of ${memoryBytes} bytes`);
  return configuration;
}

/**
 * Compares what was saved of a chip with what the same chip keeps after power-on: the same properties, of the same kinds.
 * Where it has nothing (null, an empty list), anything plain may have been saved.
 * @throws UserError that names what differs
 */
export function checkDeviceState({ name, state }: Pick<Device, 'name' | 'state'>, saved: unknown): void {
  if (kindOf(saved) !== 'object') throw damaged(`${name} has no state`);
  compare(state, saved, name, MOST_LEVELS);
}

function compare(own: unknown, saved: unknown, place: string, levels: number): void {
  if (levels === 0) throw damaged(`${place} is nested too deeply`);
  const kind = kindOf(saved);
  if (kind === 'other') throw damaged(`${place} is no plain data`);
  if (kind === 'bytes' && (saved as Uint8Array).length > MOST_BYTES) throw damaged(`${place} is too long`);
  const ownKind = kindOf(own);
  if (kind !== ownKind && kind !== 'nothing' && ownKind !== 'nothing') throw damaged(`${place} is of another kind`);
  if (kind === 'number' && !Number.isFinite(saved)) throw damaged(`${place} is no finite number`);
  if (kind === 'bytes') return compareLengths(own as Uint8Array | null, saved as Uint8Array, place);
  if (kind === 'list') {
    const [theirs, ours] = [saved as unknown[], (own ?? []) as unknown[]];
    compareLengths(ours, theirs, place);
    for (const [index, each] of theirs.entries()) compare(ours[index], each, `${place}[${index}]`, levels - 1);
  }
  if (kind === 'object') compareProperties((own ?? {}) as object, saved as object, place, levels - 1);
}

function compareProperties(own: object, saved: object, place: string, levels: number): void {
  const [ours, theirs] = [own as Record<string, unknown>, saved as Record<string, unknown>];
  const names = Object.keys(ours);
  for (const [name, value] of Object.entries(theirs)) {
    if (names.length > 0 && !Object.hasOwn(ours, name))
      throw damaged(`${place} has an unknown part: ${name.slice(0, 100)}`);
    compare(ours[name], value, `${place}.${name.slice(0, 100)}`, levels);
  }
  const missing = names.find((name) => !Object.hasOwn(theirs, name));
  if (missing !== undefined) throw damaged(`${place} lacks ${missing}`);
}

/** What is empty at first may have any length. */
function compareLengths(own: ArrayLike<unknown> | null | undefined, saved: ArrayLike<unknown>, place: string): void {
  if (own && own.length > 0 && own.length !== saved.length) throw damaged(`${place} has another length`);
}

function kindOf(
  value: unknown,
): 'nothing' | 'number' | 'bigint' | 'boolean' | 'string' | 'bytes' | 'list' | 'object' | 'other' {
  if (value === null || value === undefined) return 'nothing';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'list';
  const type = typeof value;
  return type === 'symbol' || type === 'function' || type === 'undefined' ? 'other' : type;
}
