/** A region as a function `(state, entry) → where to go on`: see `blocks/region-entry`. */
import { PAGE_SIZE } from '../../../base/address.ts';
import { STATE } from '../../../cpu/state-layout.ts';
import { FETCH_TLB } from '../../../cpu/tlb-layout.ts';
import { CodeWriter, I32 } from '../../../wasm/code-writer.ts';
import { type FlowGraph, findLoopHeaders, writeStructuredFlow } from '../../../wasm/structured-flow.ts';
import {
  GO_ON,
  KNOWN_REGION,
  placeOfJump,
  REGION_ENTRY,
  REGION_EXIT,
  REGION_JUMP,
  TARGET_HASH,
} from '../../blocks/region-entry.ts';
import { BEFORE_BLOCK } from '../../interpreter/block-index.ts';
import { STATUS } from '../../interpreter/cold-lowering.ts';
import { RECORD } from '../../interpreter/record-layout.ts';
import { PAGE_SHIFT, pushFetchEntry } from '../../lowering/fetch-entry.ts';
import { LocalPool } from '../../lowering/value-lowering.ts';
import type { NumberFunctions } from '../../lowering/x87/number-functions.ts';
import { type Region, successorsOf } from '../finder/region.ts';
import type { BoundForm } from '../forms/bound-form.ts';
import { BlockLowering } from './block-lowering.ts';
import { writeDispatch } from './dispatch-lowering.ts';
import { type RegionExit, RegionExits } from './region-exits.ts';
import { RegionLocals } from './region-locals.ts';
import { RegionX87 } from './x87/region-x87.ts';
import { planX87 } from './x87/x87-plan.ts';

export const REGION_PARAMETERS = [I32, I32] as const;

/** Where modules of chained regions have the table of regions, and the type of their functions. */
export const CHAIN = { TABLE: 0, TYPE: 0 } as const;

export interface LoweredRegion {
  readonly code: CodeWriter;
  readonly exits: readonly RegionExit[];
}

/** What a region's function is written for. */
export interface RegionLoweringOptions {
  /** It goes on in the region that begins where it is left, if there is one, without coming back to the loop. */
  readonly chained: boolean;
  /** Imports the functions on x87 numbers. */
  readonly numberFunctions: () => NumberFunctions;
}

export function lowerRegion(found: Region, { chained, numberFunctions }: RegionLoweringOptions): LoweredRegion {
  const { region, plan } = planX87(found);
  const { blocks } = region;
  const code = new CodeWriter(REGION_PARAMETERS.length);
  const forms: BoundForm[] = [];
  let callsInterpreter = false;
  for (const { instructions } of blocks) {
    for (const { way, form } of instructions) {
      if (way === 'emitted') forms.push(form);
      else callsInterpreter = true;
    }
  }
  const locals = new RegionLocals(code, forms, { callsInterpreter });
  const entries = region.entries.map(({ block }) => block);
  if (plan) locals.x87 = new RegionX87(code, { around: locals, plan, entries, functions: numberFunctions });
  const jumpAt = (jump: number): number => placeOfJump(region.pages.length, jump);
  const exits = new RegionExits(jumpAt(region.jumps.length));
  const successors = blocks.map(successorsOf);
  const graph: FlowGraph = {
    count: blocks.length,
    successors: (node) => successors[node],
    entries,
  };
  const isWithin = (offset: number) => {
    const start = Math.floor(offset / PAGE_SIZE) * PAGE_SIZE;
    return region.pages.some((page) => page.offset === start);
  };
  const needs = findNeeds(region, graph);
  const goOn = code.newLocal(I32);

  locals.loadBase();
  if (region.pages.length > 1) refuseIfMoved(code, locals, region.pages);
  locals.load();
  code.get(locals.entry);
  code.memory('i32.load', REGION_ENTRY.SELECTOR);
  code.set(locals.selector);
  locals.x87?.enter();
  const done = code.block();
  const leaveCalled = code.block();
  const written = code.block();
  const leaveByReturn = code.block();
  const leaveComputed = region.jumps.length > 0 ? code.block() : leaveByReturn;
  const leave = code.block();
  const context = {
    code,
    pool: new LocalPool(code),
    locals,
    exits,
    jumpAt,
    hasFurtherPages: region.pages.length > 1,
    isWithin,
    leave,
    leaveComputed,
    leaveByReturn,
    leaveCalled,
  };
  writeStructuredFlow({
    graph,
    code,
    selector: locals.selector,
    node(node, branches) {
      locals.x87?.beginBlock(node);
      const { end } = blocks[node];
      if (end.kind === 'dispatches') writeDispatch(context, end.candidates, { branches, needs: needs[node] });
      else new BlockLowering(context, blocks[node], branches).write(needs[node]);
    },
  });
  code.end(); // leave
  writeExit(code, locals, goOn);
  code.br(written);
  if (leaveComputed !== leaveByReturn) {
    code.end(); // leaveComputed
    rememberTarget(code, locals);
  }
  code.end(); // leaveByReturn
  code.get(locals.state);
  code.get(locals.target);
  code.memory('i32.store', STATE.fields.nextIp);
  code.get(locals.state);
  code.i32(0);
  code.memory('i32.store', STATE.fields.linkFrom);
  code.end(); // written
  locals.store(0);
  code.br(done);
  code.end(); // leaveCalled
  if (callsInterpreter) writeCalledExit(code, locals, goOn);
  code.end(); // done
  code.get(locals.entry);
  code.get(locals.entry);
  code.memory('i64.load', REGION_ENTRY.RETIRED);
  locals.pushRetired();
  code.op('i64.extend_i32_u', 'i64.add');
  code.memory('i64.store', REGION_ENTRY.RETIRED);
  countOne(code, locals.entry, REGION_ENTRY.ENTERED);
  if (chained) writeChain(code, locals, goOn);
  code.get(goOn);
  return { code, exits: exits.list };
}

/**
 * Calls the region of the block that is entered next in its own place. Each checks the budget where it is entered, and
 * comes back if that is too small.
 */
function writeChain(code: CodeWriter, { state }: RegionLocals, goOn: number): void {
  const next = code.newLocal(I32);
  const goBack = code.block();
  code.get(goOn);
  code.i32(GO_ON.ENTERS_BLOCK);
  code.op('i32.and', 'i32.eqz');
  code.brIf(goBack);
  code.get(goOn);
  code.i32(GO_ON.ENTERS_BLOCK + BEFORE_BLOCK.REGION);
  code.op('i32.sub');
  code.memory('i32.load', 0);
  code.tee(next);
  code.op('i32.eqz');
  code.brIf(goBack);
  code.get(state);
  code.get(next);
  code.get(next);
  code.memory('i32.load', REGION_ENTRY.FUNCTION);
  code.returnCallIndirect(CHAIN.TYPE, CHAIN.TABLE);
  code.end(); // goBack
}

/** Returns at once if a page of the region is not where it was. That is not looked for again while nothing has moved. */
function refuseIfMoved(code: CodeWriter, locals: RegionLocals, pages: Region['pages']): void {
  const { state, entry, base } = locals;
  const [page, translation, known] = [code.newLocal(I32), code.newLocal(I32), code.newLocal(I32)];
  code.get(entry);
  code.memory('i32.load', REGION_ENTRY.REGION);
  code.set(known);
  const inPlace = code.block();
  const tag = code.newLocal(I32);
  code.get(state);
  code.memory('i32.load', STATE.fields.jumpTag);
  code.tee(tag);
  code.get(known);
  code.memory('i32.load', KNOWN_REGION.TAG);
  code.op('i32.eq');
  code.get(base);
  code.get(known);
  code.memory('i32.load', KNOWN_REGION.BASE);
  code.op('i32.eq', 'i32.and');
  code.brIf(inPlace);
  const moved = code.block();
  for (const [index, { offset }] of pages.entries()) {
    code.get(base);
    code.i32(offset);
    code.op('i32.add');
    code.set(page);
    pushFetchEntry(code, state, () => code.get(page));
    code.tee(translation);
    code.memory('i32.load', FETCH_TLB.PAGE);
    code.get(page);
    code.i32(PAGE_SHIFT);
    code.op('i32.shr_u', 'i32.ne');
    code.brIf(moved);
    code.get(translation);
    code.memory('i32.load', FETCH_TLB.PHYSICAL);
    code.get(known);
    code.memory('i32.load', KNOWN_REGION.PAGES + index * 4);
    code.op('i32.ne');
    code.brIf(moved);
  }
  code.get(known);
  code.get(tag);
  code.memory('i32.store', KNOWN_REGION.TAG);
  code.get(known);
  code.get(base);
  code.memory('i32.store', KNOWN_REGION.BASE);
  code.br(inPlace);
  code.end(); // moved
  countOne(code, entry, REGION_ENTRY.REFUSED);
  // The block is to be interpreted.
  code.get(entry);
  code.memory('i32.load', REGION_ENTRY.BLOCK);
  code.op('return');
  code.end(); // inPlace
}

/** Of the place in `exit`, where it stands in memory. */
function makeAddress(code: CodeWriter, { entry, exit }: RegionLocals): void {
  code.get(entry);
  code.memory('i32.load', REGION_ENTRY.REGION);
  code.get(exit);
  code.op('i32.add');
  code.set(exit);
}

/** By the place of the exit taken: the record to go on with, or the address. */
function writeExit(code: CodeWriter, locals: RegionLocals, goOn: number): void {
  const { state, base, budget, exit } = locals;
  makeAddress(code, locals);
  countOne(code, exit, REGION_EXIT.TAKEN);
  storeBase(code, locals);
  code.get(budget);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.RETIRED);
  code.op('i32.sub');
  code.set(budget);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.RECORD);
  code.tee(goOn);
  code.if();
  code.get(goOn);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.ENTERS_BLOCK);
  code.op('i32.or');
  code.set(goOn);
  code.else();
  code.get(state);
  code.get(base);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.OFFSET);
  code.op('i32.add');
  code.memory('i32.store', STATE.fields.nextIp);
  // Where the link of a record would be written.
  code.get(state);
  code.get(exit);
  code.i32(REGION_EXIT.RECORD - RECORD.link);
  code.op('i32.add');
  code.i32(0);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.ENTERS_BLOCK);
  code.i32(1);
  code.op('i32.eq', 'select');
  code.memory('i32.store', STATE.fields.linkFrom);
  code.end();
}

/** The computed jump whose place is known remembers where it goes. */
function rememberTarget(code: CodeWriter, locals: RegionLocals): void {
  const { base, exit, target } = locals;
  const distance = code.newLocal(I32);
  makeAddress(code, locals);
  countOne(code, exit, REGION_JUMP.TAKEN);
  code.get(target);
  code.get(base);
  code.op('i32.sub');
  code.tee(distance);
  code.i32(TARGET_HASH.FACTOR);
  code.op('i32.mul');
  code.i32(32 - TARGET_HASH.BITS);
  code.op('i32.shr_u');
  code.i32(2);
  code.op('i32.shl');
  code.get(exit);
  code.op('i32.add');
  code.get(distance);
  code.memory('i32.store', REGION_JUMP.TARGETS);
}

/**
 * The interpreter has done an instruction, of which the exit says where it stands, and all is in the state block: it
 * faulted, or transferred control, or the dispatcher must look.
 */
function writeCalledExit(code: CodeWriter, locals: RegionLocals, goOn: number): void {
  const { state, base, exit, status, target } = locals;
  const field = (name: 'attention' | 'budget' | 'nextIp') => {
    code.get(state);
    code.memory('i32.load', STATE.fields[name]);
  };
  makeAddress(code, locals);
  countOne(code, exit, REGION_EXIT.TAKEN);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.OFFSET);
  code.get(base);
  code.op('i32.add');
  code.set(target);
  code.get(status);
  code.i32(STATUS.FAULT);
  code.op('i32.eq');
  code.if();
  // It has not retired.
  code.get(state);
  field('budget');
  code.i32(1);
  code.op('i32.add');
  code.memory('i32.store', STATE.fields.budget);
  code.i32(GO_ON.FAULT);
  code.set(goOn);
  code.else();
  code.get(status);
  code.i32(STATUS.LEAVE);
  code.op('i32.eq');
  code.if();
  field('nextIp');
  code.set(target);
  code.else();
  code.get(target);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.RECORD);
  code.memory('i32.load8_u', RECORD.length);
  code.op('i32.add');
  code.set(target);
  code.end();
  code.i32(GO_ON.ATTENTION);
  code.i32(GO_ON.AT_NEXT_IP);
  field('attention');
  code.op('select');
  code.set(goOn);
  code.end();
  for (const name of ['ip', 'nextIp'] as const) {
    code.get(state);
    code.get(target);
    code.memory('i32.store', STATE.fields[name]);
  }
  code.get(state);
  code.i32(0);
  code.memory('i32.store', STATE.fields.linkFrom);
}

/** The base of the page in which the exit goes on. */
function storeBase(code: CodeWriter, { state, base, exit }: RegionLocals): void {
  code.get(state);
  code.get(base);
  code.get(exit);
  code.memory('i32.load', REGION_EXIT.OFFSET);
  code.i32(-PAGE_SIZE);
  code.op('i32.and', 'i32.add');
  code.memory('i32.store', STATE.fields.base);
}

/** Counts a field at an address up. */
function countOne(code: CodeWriter, address: number, field: number): void {
  code.get(address);
  code.get(address);
  code.memory('i32.load', field);
  code.i32(1);
  code.op('i32.add');
  code.memory('i32.store', field);
}

/**
 * By block: instructions that the budget must allow where it is entered, or 0. Heads of loops, entries, and what follows
 * a repeated instruction check it for the longest way from there on that leads to no other check; so no others need to.
 */
function findNeeds(region: Region, graph: FlowGraph): readonly number[] {
  const reached = new Set(graph.entries);
  for (const block of reached) for (const next of graph.successors(block)) reached.add(next);
  const repeats = [...reached].filter((block) => region.blocks[block].followsRepeat);
  const checked = new Set([...findLoopHeaders(graph), ...graph.entries, ...repeats]);
  const longest: number[] = [];
  const from = (block: number): number => {
    if (longest[block] !== undefined) return longest[block];
    let behind = 0;
    for (const next of graph.successors(block)) if (!checked.has(next)) behind = Math.max(behind, from(next));
    longest[block] = region.blocks[block].instructions.length + behind;
    return longest[block];
  };
  return region.blocks.map((_, block) => (checked.has(block) ? from(block) : 0));
}
