/**
 * The differential test. From the instruction table come forms (`test-form`), from a form come vectors: bytes and a
 * state (`generate-vector`). A vector runs on the reference evaluator (`reference-oracle`), which also says what of the
 * outcome is undefined; on the host CPU, through an executable that we write (`host/`); and on machines of ours with
 * the engine in question (`machine-oracle`). The engines must agree in everything, the host in what is defined
 * (`compare`, `comparison-rules`). What was covered is counted (`coverage`), what fails is shrunk (`shrink`).
 * `main.ts` is the tool for working with it by hand.
 */
import type { EngineName, ProcessorOptions } from '../engine/processor.ts';
import type { InstructionRow } from '../isa/instruction.ts';
import { GPR } from '../isa/semantics.ts';
import { slotOffset, type VectorMode } from './address-space.ts';
import { compareOutcomes } from './compare.ts';
import { comparisonFor } from './comparison-rules.ts';
import { Coverage } from './coverage.ts';
import { VectorGenerator } from './generate-vector.ts';
import { HARNESS_MAP } from './host/harness.ts';
import { HostOracle, hostMake } from './host/host-oracle.ts';
import { MachineOracle } from './machine-oracle.ts';
import { Random } from './random.ts';
import { ReferenceOracle, type ReferenceOutcome } from './reference-oracle.ts';
import { enumerateForms, hostExclusion, type TestForm } from './test-form.ts';
import type { Vector } from './vector.ts';

export interface DifftestOptions {
  readonly seed: number;
  readonly vectorsPerForm: number;
  /** Vectors in a row that have the same code, which an engine may have to translate; default: 1. */
  readonly statesPerCode?: number;
  /** Which forms to run; default: all that can run on the host. */
  readonly select?: (form: TestForm) => boolean;
  /** Default: 32 and 64. */
  readonly modes?: readonly VectorMode[];
  /** Run on the host CPU, too; default: true. Not for 16-bit code. */
  readonly host?: boolean;
  /** Engines that must agree with the reference evaluator in everything, undefined results included. */
  readonly engines?: readonly EngineName[];
  /** Where engine 'jit' does otherwise than by itself. */
  readonly translation?: ProcessorOptions['translation'];
  /** Engines get every nth vector of a form; default: every one. */
  readonly engineEvery?: number;
}

export interface Mismatch {
  readonly form: TestForm;
  readonly vector: Vector;
  /** Whose outcome differs from the reference evaluator's. */
  readonly oracle: 'host' | 'row' | EngineName;
  readonly differences: readonly string[];
}

export interface DifftestResult {
  readonly mismatches: readonly Mismatch[];
  readonly coverage: Coverage;
  readonly vectors: number;
  /** By form, where an engine translates: vectors whose instruction retired on it, and in translated code. */
  readonly translated: ReadonlyMap<TestForm, TranslatedVectors>;
}

export interface TranslatedVectors {
  readonly retired: number;
  readonly translated: number;
}

/** Vectors of one process: enough to make its start cheap, few enough to hold in memory. */
const BATCH = 8192;
/** Tries per wanted vector before a form is given up as too hard to reach. */
const TRIES = 8;

interface Prepared {
  readonly form: TestForm;
  readonly vector: Vector;
  readonly expected: ReferenceOutcome;
}

export function runDifftest(rows: readonly InstructionRow[], options: DifftestOptions): DifftestResult {
  const reference = new ReferenceOracle(rows);
  const host = options.host === false ? undefined : new HostOracle();
  const make = hostMake();
  const { statesPerCode = 1 } = options;
  const mismatches: Mismatch[] = [];
  const coverage = new Coverage();
  const translated = new Map<TestForm, TranslatedVectors>();
  let count = 0;
  const batches = new Map<string, Prepared[]>();
  const compareHost = (batch: readonly Prepared[]) => {
    if (host === undefined || batch.length === 0) return;
    const outcomes = host.run({ mode: batch[0].vector.mode as 32 | 64, vectors: batch.map(({ vector }) => vector) });
    batch.forEach(({ form, vector, expected }, index) => {
      const differences = compareOutcomes(vector, expected, outcomes[index], comparisonFor(form.pattern.row, make));
      if (differences.length > 0) mismatches.push({ form, vector, oracle: 'host', differences });
    });
  };

  const engines = (options.engines ?? []).map((name) => ({
    name,
    oracle: new MachineOracle(name, options.translation),
  }));
  const compareEngines = (form: TestForm, vector: Vector, expected: ReferenceOutcome) => {
    if (NOT_ON_MACHINE.test(form.pattern.row.mnemonic)) return;
    const exact = withoutUndefined(expected);
    for (const { name, oracle } of engines) {
      const outcome = oracle.run(vector);
      const differences = compareOutcomes(vector, exact, outcome);
      if (outcome.translated !== undefined && outcome.ending.kind === 'next') {
        const counted = translated.get(form) ?? { retired: 0, translated: 0 };
        translated.set(form, {
          retired: counted.retired + 1,
          translated: counted.translated + (outcome.translated ? 1 : 0),
        });
      }
      if (differences.length > 0) mismatches.push({ form, vector, oracle: name, differences });
    }
  };

  const forms = enumerateForms(rows, options.modes).filter(
    (form) => hostExclusion(form) === undefined && (options.select?.(form) ?? true),
  );
  forms.forEach((form, index) => {
    const generator = new VectorGenerator(form, new Random(options.seed * 65_537 + index));
    let made = 0;
    for (let tries = 0; made < options.vectorsPerForm && tries < options.vectorsPerForm * TRIES; tries++) {
      const vector = tries % statesPerCode === 0 ? generator.next() : generator.again();
      if (vector === undefined) continue;
      const expected = reference.run(vector);
      if (vector.mode === 16 ? expected.outsideWindow || staysThere(vector, expected) : !isRunnable(vector, expected))
        continue;
      made++;
      count++;
      coverage.add(form, expected);
      if (expected.undecided !== undefined) {
        mismatches.push({
          form,
          vector,
          oracle: 'row',
          differences: [`depends on undefined: ${expected.undecided}`],
        });
      }
      if (made % (options.engineEvery ?? 1) === 0) compareEngines(form, vector, expected);
      if (host === undefined || vector.mode === 16) continue;
      const key = `${vector.mode} ${vector.initial.memory.length} ${vector.initial.x87 !== undefined}`;
      let batch = batches.get(key);
      if (batch === undefined) batches.set(key, (batch = []));
      batch.push({ form, vector, expected });
      if (batch.length < BATCH) continue;
      compareHost(batch);
      batch.length = 0;
    }
    coverage.finishForm(form, made, options.vectorsPerForm);
  });
  for (const batch of batches.values()) compareHost(batch);
  return { mismatches, coverage, vectors: count, translated };
}

/** INT3 and INTO go through the IDT, which the bare machine does not have. */
const NOT_ON_MACHINE = /^int[3o]$/;

const withoutUndefined = (outcome: ReferenceOutcome): ReferenceOutcome => ({
  ...outcome,
  undefinedFlags: 0,
  undefinedRegisters: NOTHING,
  undefinedMemory: new Uint8Array(outcome.undefinedMemory.length),
});

const NOTHING: readonly bigint[] = new Array<bigint>(16).fill(0n);

/** A branch to itself: oracles would take it again and again. */
const staysThere = ({ mode }: Vector, { ending }: ReferenceOutcome): boolean =>
  ending.kind === 'next' && ending.ip === BigInt(slotOffset(mode));

/** Whether the host can run the vector without touching anything but scratch memory, and stops behind it. */
export function isRunnable(vector: Vector, { ending, final, outsideWindow }: ReferenceOutcome): boolean {
  if (outsideWindow || (ending.kind === 'next' && ending.ip >= EXACT)) return false;
  // With rSP in the alternate stack, the kernel takes the signal for one inside the handler.
  if (
    [vector.initial, final].some(({ registers }) => within(registers[GPR.rSP], stack - 0x1000, stack + stackSize + 1))
  )
    return false;
  if (ending.kind === 'next') return isStop(ending.ip, vector);
  return ending.address === undefined || isUnmapped(ending.address, vector.mode);
}

/** Instruction pointers are numbers in the state block. */
const EXACT = 2n ** 53n;
const { stack, stackSize, slotPage, slot, parameters, code, scratch, scratchSize } = HARNESS_MAP;
const within = (address: bigint, start: number, end: number): boolean =>
  address >= BigInt(start) && address < BigInt(end);

/** Breakpoints stand there, or what else faults, or nothing is mapped. */
function isStop(ip: bigint, vector: Vector): boolean {
  if (ip === BigInt(slot + vector.code.length)) return true;
  return within(ip, slotPage, slot - 16) || within(ip, slot + 16, slotPage + 0xff0) || isUnmapped(ip, vector.mode);
}

/** Addresses that the harness is sure to have nothing at: in 64-bit mode also those of the lower half above 4 GiB. */
function isUnmapped(address: bigint, mode: VectorMode): boolean {
  if (within(address, 0, code - 0x1000) || within(address, slotPage + 0x1000, scratch)) return true;
  if (within(address, scratch + scratchSize, parameters) || within(address, 0x8000_0000, 0xe000_0000)) return true;
  return mode === 64 && address >= 0x2_0000_0000n && address < 0x5000_0000_0000n;
}
