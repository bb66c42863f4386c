/**
 * Finds the blocks of a region: from a hot block on, whatever direct branches, calls and returns within the page reach
 * and the interpreter has run. So code that was never reached is never translated.
 */
import { PAGE_SIZE } from '../../base/address.ts';
import { isOperation, type Value } from '../../ir/value.ts';
import { someStatement } from '../../ir/visit.ts';
import type { FormStatement } from '../lowering/form-lowering.ts';
import { isRestartable } from '../lowering/restartable.ts';
import { BASE, type BlockEnd, type Region, type RegionBlock, type RegionInstruction, type Target } from './region.ts';

/** An instruction of an interpreter's block. */
export interface SourceInstruction extends Omit<RegionInstruction, 'way'> {
  /** It only faults; or it is repeated, which its statements do not say. */
  readonly special: 'none' | 'fault' | 'repeated';
  /** The mode may be another one behind it. */
  readonly endsBlock: boolean;
}

/** The interpreter's blocks of a page, by the offset of their first instruction. */
export interface SourceBlocks {
  /** Host address of its first record; 0: there is none that is worth translating. */
  at(offset: number): number;
  instructions(block: number): readonly SourceInstruction[];
}

/** Candidates of a computed jump: more comparisons would cost more than finding the block. */
const MOST_CANDIDATES = 4;

/** What an instruction does with control. */
type Transfer =
  | { readonly kind: 'none' }
  | { readonly kind: 'direct'; readonly offset: number; readonly conditional: boolean; readonly returns: boolean }
  | { readonly kind: 'computed'; readonly conditional: boolean; readonly returns: boolean };

interface Trace {
  readonly source: number;
  readonly instructions: readonly RegionInstruction[];
  /** It could go on, but with an instruction that regions cannot do. */
  readonly leavesAt: SourceInstruction | undefined;
  /** Its last one is repeated. */
  readonly repeats: boolean;
}

/** @returns undefined if it would not be worth it. @param limit most instructions */
export function findRegion(first: number, blocks: SourceBlocks, limit: number): Region | undefined {
  const traces = new Map<number, Trace>();
  /** Where calls come back to, with where they go to. */
  const returns = new Map<number, number | undefined>();
  const wanted = [first];
  let total = 0;
  let emits = false;
  for (let offset = wanted.shift(); offset !== undefined; offset = wanted.shift()) {
    if (traces.has(offset) || !isInPage(offset)) continue;
    const source = blocks.at(offset);
    if (source === 0) continue;
    const trace = traceOf(source, blocks.instructions(source), limit - total);
    if (!trace) continue;
    traces.set(offset, trace);
    total += trace.instructions.length;
    emits ||= trace.instructions.some(({ way }) => way === 'emitted');
    for (const instruction of trace.instructions) {
      const transfer = transferOf(instruction.statements);
      if (transfer.kind === 'direct') wanted.push(transfer.offset);
      if (transfer.kind !== 'none' && transfer.returns) {
        returns.set(endOf(instruction), transfer.kind === 'direct' ? transfer.offset : undefined);
        wanted.push(endOf(instruction));
      }
    }
    const last = trace.instructions.at(-1);
    if (last && !trace.leavesAt && !isUnconditional(transferOf(last.statements))) wanted.push(endOf(last));
  }
  // To call the interpreter's functions alone would gain nothing.
  if (!emits) return undefined;
  return assemble(first, traces, returns);
}

const isInPage = (offset: number): boolean => offset >= 0 && offset < PAGE_SIZE;
const endOf = ({ offset, length }: Pick<RegionInstruction, 'offset' | 'length'>): number => offset + length;
const isUnconditional = (transfer: Transfer): boolean => transfer.kind !== 'none' && !transfer.conditional;

function traceOf(source: number, all: readonly SourceInstruction[], room: number): Trace | undefined {
  const instructions: RegionInstruction[] = [];
  let leavesAt: SourceInstruction | undefined;
  for (const one of all) {
    const way = wayOf(one);
    if (way === undefined) {
      leavesAt = one;
      break;
    }
    instructions.push({ ...one, way });
  }
  if (instructions.length > room || instructions.length === 0) return undefined;
  return { source, instructions, leavesAt, repeats: all[instructions.length - 1].special === 'repeated' };
}

/** How regions do it; undefined: they leave before it. */
function wayOf({ statements, special, endsBlock }: SourceInstruction): RegionInstruction['way'] | undefined {
  if (special === 'repeated') return endsBlock ? undefined : 'called';
  if (special === 'fault' || someStatement(statements, (one) => one.kind === 'raise' && !one.condition))
    return undefined;
  // Nothing it does can fail half-way, and what helpers must do is rare.
  if (isRestartable(statements)) return 'emitted';
  return endsBlock || statements.some(({ kind }) => kind === 'jump') ? undefined : 'called';
}

function transferOf(statements: readonly FormStatement[]): Transfer {
  const last = statements.at(-1);
  if (last?.kind !== 'jump') return { kind: 'none' };
  const conditional = last.condition !== undefined;
  // What is stored before a jump is, as a rule, where to come back to.
  const returns = statements.some(({ kind }) => kind === 'store');
  const offset = offsetFromBase(last.target);
  return offset === undefined
    ? { kind: 'computed', conditional, returns }
    : { kind: 'direct', offset, conditional, returns };
}

/** Of a target that is the base plus a constant. */
export function offsetFromBase(value: Value): number | undefined {
  if (value.op === 'input' && value.name === BASE) return 0;
  if (!isOperation(value) || value.op !== 'add') return undefined;
  const [base, offset] = value.args;
  if (base.op !== 'input' || base.name !== BASE || offset.op !== 'constant') return undefined;
  return Number(BigInt.asIntN(32, offset.value));
}

/** A trace up to where another one begins, in pieces that control leaves at their ends alone. */
function piecesOf(trace: Trace, isOther: (offset: number) => boolean): RegionInstruction[][] {
  const pieces: RegionInstruction[][] = [[]];
  for (const [index, instruction] of trace.instructions.entries()) {
    if (index > 0 && isOther(instruction.offset)) break;
    if (index > 0 && transferOf(trace.instructions[index - 1].statements).kind !== 'none') pieces.push([]);
    pieces.at(-1)!.push(instruction);
  }
  return pieces;
}

/** Cuts the traces into blocks and connects them. */
function assemble(
  first: number,
  traces: ReadonlyMap<number, Trace>,
  returns: ReadonlyMap<number, number | undefined>,
): Region {
  const pieces = [...traces.values()].flatMap((trace) =>
    piecesOf(trace, (offset) => traces.has(offset)).map((instructions) => ({ instructions, trace })),
  );
  const numbers = new Map(pieces.map(({ instructions }, number) => [instructions[0].offset, number]));
  const target = (offset: number): Target => ({ offset, block: numbers.get(offset) });
  const candidates = [...returns.keys()].map(target).filter(({ block }) => block !== undefined);
  const repeated = new Set(
    [...traces.values()].filter(({ repeats }) => repeats).map(({ instructions }) => endOf(instructions.at(-1)!)),
  );
  const blocks = pieces.map(({ instructions, trace }): RegionBlock => {
    const end = endOfBlock(instructions, trace, { target, candidates: candidates.slice(0, MOST_CANDIDATES) });
    return { offset: instructions[0].offset, instructions, end, followsRepeat: repeated.has(instructions[0].offset) };
  });
  // Calls of what the region has not come back from outside. An entry more in a loop costs each turn of it.
  const fromOutside = [...returns].filter(([, callee]) => callee === undefined || !traces.has(callee));
  const entries = [...new Set([first, ...fromOutside.map(([offset]) => offset)])].filter((offset) =>
    traces.has(offset),
  );
  return {
    blocks,
    entries: entries.map((offset) => ({ block: numbers.get(offset)!, record: traces.get(offset)!.source })),
    sources: [...traces.values()].map(({ source }) => source),
  };
}

function endOfBlock(
  instructions: readonly RegionInstruction[],
  { leavesAt, instructions: all }: Trace,
  { target, candidates }: { target: (offset: number) => Target; candidates: readonly Target[] },
): BlockEnd {
  const last = instructions.at(-1)!;
  const next = target(endOf(last));
  const transfer = transferOf(last.statements);
  if (transfer.kind === 'none') {
    if (last === all.at(-1) && leavesAt && next.block === undefined)
      return { kind: 'leaves', offset: leavesAt.offset, record: leavesAt.record };
    return { kind: 'falls', to: next };
  }
  if (transfer.kind === 'computed') {
    return { kind: 'computed', candidates, next: transfer.conditional ? next : undefined };
  }
  const taken = target(transfer.offset);
  return transfer.conditional ? { kind: 'branches', taken, next } : { kind: 'jumps', to: taken };
}
