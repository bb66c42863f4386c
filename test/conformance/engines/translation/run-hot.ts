/**
 * Runs a program on every configuration of `translation-engines.ts`: all must be in the same state at the same counts of
 * instructions, memory included.
 */
import { expect } from 'vitest';
import { describeProcessor } from '../describe-processor.ts';
import { HotMachine, type HotProgram } from './hot-program.ts';
import { COMPARED, REFERENCE, REFERENCE_INSTRUCTIONS, type TranslationConfiguration } from './translation-engines.ts';

/** Prime: loops are met at all places. */
const STEP = 4999;
const BUDGET = 3_000_000;
/** Bytes of memory that a message shows. */
const SHOWN = 8;

interface Checkpoint {
  readonly retired: number;
  readonly hash: string;
  readonly state: string;
}

/** The end of a program, which is the same everywhere. */
export interface HotOutcome {
  readonly retired: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
  readonly ebp: number;
  readonly esi: number;
  readonly edi: number;
  readonly log: readonly string[];
  label(name: string): number;
  /** A doubleword of physical memory, of its first 1 MiB. */
  read32(address: number): number;
}

/** Runs a program on all configurations and expects the same of all. @throws Error if it does not end as it should */
export function runHot(program: HotProgram): HotOutcome {
  const [first, ...others] = COMPARED;
  const machine = new HotMachine(program, first);
  try {
    const expected = runToEnd(machine);
    for (const configuration of [REFERENCE, ...others]) compare(program, configuration, { machine, expected });
    const [eax, ecx, edx, ebx, , ebp, esi, edi] = registersOf(machine);
    const memory = machine.copyMemory();
    return {
      retired: machine.processor.retired,
      ...{ eax, ebx, ecx, edx, ebp, esi, edi },
      log: machine.log,
      label: (name) => machine.label(name),
      read32: (address) => memory.getUint32(address, true),
    };
  } finally {
    machine.dispose();
  }
}

const registersOf = ({ processor }: HotMachine) =>
  Array.from({ length: 8 }, (_, index) => processor.state.reg32(index));

/** What it is at each comparison and at the end, until `isEnough`. */
function runToEnd(
  machine: HotMachine,
  isEnough: (checkpoints: readonly Checkpoint[]) => boolean = () => false,
): Checkpoint[] {
  const { processor } = machine;
  const checkpoints: Checkpoint[] = [];
  for (let at = REFERENCE_INSTRUCTIONS, ended = false; !ended; at += STEP) {
    ended = machine.runTo(Math.min(at, BUDGET));
    checkpoints.push({ retired: processor.retired, hash: processor.stateHash(), state: describeProcessor(processor) });
    if (isEnough(checkpoints)) break;
    if (!ended && at >= BUDGET) throw new Error(`does not end: ${describeProcessor(processor)}`);
  }
  return checkpoints;
}

function compare(
  program: HotProgram,
  configuration: TranslationConfiguration,
  { machine, expected }: { machine: HotMachine; expected: readonly Checkpoint[] },
): void {
  const other = new HotMachine(program, configuration);
  const startOnly = configuration === REFERENCE && !program.needsReference;
  const differs = ({ hash }: Checkpoint, index: number) => hash !== expected[index]?.hash;
  try {
    const found = runToEnd(other, (checkpoints) => {
      return startOnly || differs(checkpoints.at(-1)!, checkpoints.length - 1);
    });
    const { label } = configuration;
    const index = found.length - 1;
    if (differs(found[index], index)) {
      const range = { same: expected[index - 1]?.retired ?? 0, different: found[index].retired };
      const message = `${label}: ${findDifference(program, configuration, range)}`;
      expect(found[index], message).toEqual(expected[index]);
    }
    if (startOnly) return;
    expect(found.length, `${label}: comparisons up to the end`).toBe(expected.length);
    expect(other.log, label).toEqual(machine.log);
  } catch (error) {
    if (!(error instanceof Error) || error.message.includes(configuration.label)) throw error;
    throw new Error(`${configuration.label}: ${error.message}`, { cause: error });
  } finally {
    other.dispose();
  }
}

/**
 * The instruction after which a configuration is in another state than the first one, in words: between counts at which
 * they were the same and different. A run that ends there may hide what it looks for: then it is what was found anyway.
 */
function findDifference(
  program: HotProgram,
  configuration: TranslationConfiguration,
  { same, different }: { same: number; different: number },
): string {
  const at = <Result>(count: number, look: (usual: HotMachine, other: HotMachine) => Result): Result => {
    const machines = [COMPARED[0], configuration].map((one) => new HotMachine(program, one));
    for (const machine of machines) machine.runTo(count);
    const result = look(machines[0], machines[1]);
    for (const machine of machines) machine.dispose();
    return result;
  };
  let [low, high] = [same, different];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (at(middle, (usual, other) => usual.processor.stateHash() === other.processor.stateHash())) low = middle;
    else high = middle;
  }
  const place = at(low, ({ processor }) => `at ${processor.state.ip.toString(16)}h`);
  const memory = at(high, (usual, other) => {
    const [ours, theirs] = [usual.copyMemory(), other.copyMemory()].map(({ buffer }) => new Uint8Array(buffer));
    const places = [...ours.keys()].filter((address) => ours[address] !== theirs[address]);
    const shown = places
      .slice(0, SHOWN)
      .map((address) => `${address.toString(16)}h: ${theirs[address]} for ${ours[address]}`);
    return `${places.length} bytes of memory differ ${shown.join(', ')}`;
  });
  return `the same after ${low} instructions, ${place}; not after ${high}: ${memory}`;
}
