/**
 * Finds the blocks of a region: from a hot block on, whatever direct branches, calls and returns reach and the
 * interpreter has run. So code that was never reached is never translated.
 */
import { PAGE_SIZE } from '../../../base/address.ts';
import { isReturn, MOST_COMPARED, type Transfers, withCandidates } from './computed-ends.ts';
import {
  type BlockEnd,
  endOf,
  type Region,
  type RegionBlock,
  type RegionInstruction,
  type RegionJump,
  type RegionPage,
  type Target,
} from './region.ts';

/** An instruction of an interpreter's block. */
export interface SourceInstruction extends Omit<RegionInstruction, 'way'> {
  /** It is repeated, which its form does not say. */
  readonly isRepeated: boolean;
  /** The interpreter does it and the one behind it in one: it cannot be called for one alone. */
  readonly isFused: boolean;
}

/** The interpreter's blocks, by the offset of their first instruction from the base. */
export interface SourceBlocks {
  /** Host address of its first record; 0: there is none that is worth translating. */
  at(offset: number): number;
  /** Of the block that begins at an offset, up to one that only faults. */
  instructions(block: number, offset: number): readonly SourceInstruction[];
  /** Number of the physical page of a block at an offset. */
  page(offset: number): number;
  /** Where the computed jump at an offset has been seen to go. */
  targets(offset: number): readonly number[];
  /** Offsets of instructions that the interpreter is to do, if it can. */
  readonly calls: ReadonlySet<number>;
}

/** Most instructions of a region. */
export interface RegionLimits {
  readonly instructions: number;
  /** Where a computed jump of it goes to many places. */
  readonly dispatching: number;
}

/** Pages of a region: where there are several, each is checked at every entry. */
const MOST_PAGES = 16;
const pageStart = (offset: number): number => Math.floor(offset / PAGE_SIZE) * PAGE_SIZE;

interface Trace {
  readonly number: number;
  readonly offset: number;
  readonly instructions: readonly RegionInstruction[];
  /** It could go on, but with an instruction that regions cannot do. */
  readonly leavesAt: SourceInstruction | undefined;
  /** Its last one is repeated. */
  readonly repeats: boolean;
}

/** Traces by their offsets. */
interface Found extends Transfers {
  readonly traces: ReadonlyMap<number, Trace>;
  readonly pages: readonly RegionPage[];
}

/** @returns undefined if it would not be worth it */
export function findRegion(first: number, blocks: SourceBlocks, limits: RegionLimits): Region | undefined {
  const found = findTraces(first, blocks, limits);
  const instructions = [...found.traces.values()].flatMap((trace) => trace.instructions);
  // To call the interpreter's functions alone would gain nothing.
  return instructions.some(({ way }) => way === 'emitted') ? assemble(first, found) : undefined;
}

function findTraces(first: number, blocks: SourceBlocks, limits: RegionLimits): Found {
  const traces = new Map<number, Trace>();
  const returns = new Map<number, readonly number[]>();
  const jumps = new Map<number, readonly number[]>();
  const pages = new Map<number, RegionPage>();
  const wanted = [first];
  let total = 0;
  let limit = limits.instructions;
  for (let offset = wanted.shift(); offset !== undefined; offset = wanted.shift()) {
    if (traces.has(offset)) continue;
    const start = pageStart(offset);
    if (!pages.has(start) && pages.size === MOST_PAGES) continue;
    const source = blocks.at(offset);
    const trace =
      source === 0
        ? undefined
        : traceOf(blocks.instructions(source, offset), {
            number: traces.size,
            offset,
            room: limit - total,
            calls: blocks.calls,
          });
    if (!trace) continue;
    pages.set(start, { offset: start, physical: blocks.page(offset) });
    traces.set(offset, trace);
    total += trace.instructions.length;
    for (const instruction of trace.instructions) {
      const { transfer } = instruction.form;
      if (transfer.kind === 'none') continue;
      const { offset: at } = instruction;
      const targets =
        transfer.kind === 'direct' ? [at + transfer.distance] : isReturn(instruction) ? [] : blocks.targets(at);
      wanted.push(...targets);
      if (transfer.kind === 'computed' && !isReturn(instruction)) {
        jumps.set(at, targets);
        if (targets.length > MOST_COMPARED) limit = Math.max(limit, limits.dispatching);
      }
      if (!transfer.returns) continue;
      returns.set(endOf(instruction), targets);
      wanted.push(endOf(instruction));
    }
    const last = trace.instructions.at(-1)!;
    if (!trace.leavesAt && !isUnconditional(last)) wanted.push(endOf(last));
  }
  return { traces, returns, jumps, pages: [...pages.values()] };
}

const isUnconditional = ({ form: { transfer } }: RegionInstruction): boolean =>
  transfer.kind !== 'none' && !transfer.conditional;

function traceOf(
  all: readonly SourceInstruction[],
  { number, offset, room, calls }: Pick<Trace, 'number' | 'offset'> & Pick<SourceBlocks, 'calls'> & { room: number },
): Trace | undefined {
  const instructions: RegionInstruction[] = [];
  let leavesAt: SourceInstruction | undefined;
  for (const one of all) {
    // Of a longer block the region begins with what there is room for: the rest is another block.
    if (number === 0 && instructions.length === room) break;
    const way = wayOf(one, calls);
    if (way === undefined) {
      leavesAt = one;
      break;
    }
    const { offset: at, length, form, endsBlock } = one;
    instructions.push({ offset: at, length, form, endsBlock, way });
  }
  if (instructions.length > room || instructions.length === 0) return undefined;
  return { number, offset, instructions, leavesAt, repeats: all[instructions.length - 1].isRepeated };
}

/** How regions do it; undefined: they leave before it. */
function wayOf(
  { form, offset, isRepeated, isFused }: SourceInstruction,
  calls: SourceBlocks['calls'],
): RegionInstruction['way'] | undefined {
  if (isRepeated) return 'called';
  if (form.onlyFaults) return undefined;
  const canCall = form.transfer.kind === 'none' && !isFused;
  if (form.isRestartable && !(canCall && calls.has(offset))) return 'emitted';
  return canCall ? 'called' : undefined;
}

/** A trace up to where another one begins, in pieces that control leaves at their ends alone. */
function piecesOf(trace: Trace, isOther: (offset: number) => boolean): RegionInstruction[][] {
  const pieces: RegionInstruction[][] = [[]];
  for (const [index, instruction] of trace.instructions.entries()) {
    if (index > 0 && isOther(instruction.offset)) break;
    if (index > 0 && trace.instructions[index - 1].form.transfer.kind !== 'none') pieces.push([]);
    pieces.at(-1)!.push(instruction);
  }
  return pieces;
}

/** Cuts the traces into blocks and connects them. */
function assemble(first: number, found: Found): Region {
  const { traces, returns, pages } = found;
  const jumps = [...found.jumps].map(([offset, known]): RegionJump => ({ offset, known }));
  const jumpNumbers = new Map(jumps.map(({ offset }, number) => [offset, number]));
  const all = [...traces.values()];
  const pieces = all.flatMap((trace) =>
    piecesOf(trace, (offset) => traces.has(offset)).map((instructions) => ({ instructions, trace })),
  );
  const numbers = new Map(pieces.map(({ instructions }, number) => [instructions[0].offset, number]));
  const target = (offset: number): Target => ({ offset, block: numbers.get(offset) });
  const repeated = new Set(all.filter(({ repeats }) => repeats).map((trace) => endOf(trace.instructions.at(-1)!)));
  const blocks = pieces.map(({ instructions, trace }): RegionBlock => {
    const { offset } = instructions[0];
    const end = endOfBlock(instructions, trace, { target, jumps: jumpNumbers });
    return { offset, trace: trace.number, instructions, end, followsRepeat: repeated.has(offset) };
  });
  // Calls of what the region has not come back from outside. An entry more in a loop costs each turn of it.
  const fromOutside = [...returns].filter(
    ([, callees]) => callees.length === 0 || callees.some((callee) => !traces.has(callee)),
  );
  const entries = [...new Set([first, ...fromOutside.map(([offset]) => offset)])].filter((offset) =>
    traces.has(offset),
  );
  return {
    pages,
    blocks: withCandidates(blocks, found, target),
    jumps,
    // The instruction that it leaves at, too: before others, the same code would be another region.
    traces: all.map(({ offset, instructions, leavesAt }) => ({
      offset,
      length: endOf(leavesAt ?? instructions.at(-1)!) - offset,
    })),
    entries: entries.map((offset) => ({ trace: traces.get(offset)!.number, block: numbers.get(offset)! })),
  };
}

function endOfBlock(
  instructions: readonly RegionInstruction[],
  { leavesAt, instructions: all }: Trace,
  { target, jumps }: { readonly target: (offset: number) => Target; readonly jumps: ReadonlyMap<number, number> },
): BlockEnd {
  const last = instructions.at(-1)!;
  const next = target(endOf(last));
  const { transfer } = last.form;
  if (transfer.kind === 'none') {
    if (last === all.at(-1) && leavesAt && next.block === undefined) return { kind: 'leaves', offset: leavesAt.offset };
    return { kind: 'falls', to: next };
  }
  if (transfer.kind === 'computed') {
    const jump = jumps.get(last.offset);
    return { kind: 'computed', jump, candidates: [], ...(transfer.conditional && { next }) };
  }
  const taken = target(last.offset + transfer.distance);
  return transfer.conditional ? { kind: 'branches', taken, next } : { kind: 'jumps', to: taken };
}
