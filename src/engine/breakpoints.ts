/**
 * Breakpoints of whoever looks from outside, by linear address. The guest cannot see them: its code, its debug registers
 * and the instants at which anything happens are as without them.
 *
 * An engine knows of breakpoints on instructions only at which page offsets there are any; there it comes back before
 * the instruction, and the processor looks. A page offset is the same in a linear address as in all physical ones, so
 * whatever is mapped where, none is missed. Pages with watched data have no place in the TLB: each access to them takes
 * the slow path and is reported. (So a guest that changes its page tables without INVLPG may see a watched page's new
 * entry earlier, as after any eviction.)
 *
 * Not seen: what the processor reads and writes in page tables during a walk, what chips do, instruction fetches as reads.
 */
import { PAGE_SIZE } from '../base/address.ts';
import { checkChoice, checkOptions, checkWholeNumber } from '../base/argument-check.ts';
import { StateError, UserError } from '../base/errors.ts';

/** `execute`: before the instruction at the address. Others: after the instruction that did it. `access`: read or write. */
export type BreakpointKind = 'execute' | 'read' | 'write' | 'access';

export interface BreakpointRequest {
  /** Linear address. */
  readonly address: number;
  /** Default `execute`. */
  readonly kind?: BreakpointKind | undefined;
  /** Bytes watched, 1 to 4096; default 1. An instruction has no length. */
  readonly length?: number | undefined;
}

export interface Breakpoint {
  /** The smallest number from 1 on that no other has. */
  readonly id: number;
  readonly address: number;
  readonly kind: BreakpointKind;
  readonly length: number;
}

/** A breakpoint was met, and by what. */
export interface BreakpointHit {
  readonly breakpoint: Breakpoint;
  readonly access: 'execute' | 'read' | 'write';
  /** Linear address of the instruction, or of the data that was accessed. */
  readonly address: number;
  /** Bytes accessed; 0 for an instruction. */
  readonly size: number;
}

/** Breakpoints of a guest. */
export interface Breakpoints {
  /** In the order of their numbers. */
  readonly list: readonly Breakpoint[];
  /**
   * One on the very instruction where the guest stands is met when it comes there again.
   * @throws UserError for a value that cannot be, or when there are 1000 already; StateError once the guest is disposed
   */
  add(request: BreakpointRequest): Breakpoint;
  /** @returns false if it was not there any more */
  remove(breakpoint: Breakpoint): boolean;
  clear(): void;
}

const KINDS: readonly BreakpointKind[] = ['execute', 'read', 'write', 'access'];
const HIGHEST = 2 ** 48 - 1;
const MOST = 1000;

/** The same for the processor, which asks. */
export class BreakpointSet implements Breakpoints {
  readonly #onChange: () => void;
  #all: readonly Breakpoint[] = [];
  readonly #byInstruction = new Map<number, Breakpoint>();
  #watching: readonly Breakpoint[] = [];
  #hit: BreakpointHit | undefined;
  #disposed = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get list(): readonly Breakpoint[] {
    return this.#all;
  }

  add(request: BreakpointRequest): Breakpoint {
    if (this.#disposed) throw new StateError('breakpoints: the guest is disposed');
    const { address, kind, length } = checkRequest(request);
    if (this.#all.length >= MOST) throw new UserError(`breakpoints: there are ${MOST} already`);
    let id = 1;
    while (this.#all[id - 1]?.id === id) id++;
    const added = Object.freeze({ id, address, kind, length });
    this.#change([...this.#all, added].sort((one, other) => one.id - other.id));
    return added;
  }

  remove(breakpoint: Breakpoint): boolean {
    const left = this.#all.filter((one) => one !== breakpoint);
    if (left.length === this.#all.length) return false;
    this.#change(left);
    return true;
  }

  clear(): void {
    if (this.#all.length > 0) this.#change([]);
  }

  // For the processor -------------------------------------------------------------------------------------------

  /** Forgets all without a word: the memory of TLB and blocks is given back. */
  dispose(): void {
    this.#disposed = true;
    this.#all = [];
  }

  /** Page offsets of the instructions with breakpoints. */
  get instructionOffsets(): ReadonlySet<number> {
    return new Set([...this.#byInstruction.keys()].map((address) => address % PAGE_SIZE));
  }

  /** Linear pages with watched data. */
  get watchedPages(): ReadonlySet<number> {
    const pages = new Set<number>();
    for (const { address, length } of this.#watching) {
      for (let page = pageOf(address); page <= pageOf(address + length - 1); page++) pages.add(page);
    }
    return pages;
  }

  /** The hit that has not been handed over yet. */
  get hit(): BreakpointHit | undefined {
    return this.#hit;
  }

  takeHit(): BreakpointHit | undefined {
    const hit = this.#hit;
    this.#hit = undefined;
    return hit;
  }

  /** The instruction at this address is next. @returns whether there is a breakpoint on it: it has become the hit */
  meetInstruction(address: number): boolean {
    const breakpoint = this.#byInstruction.get(address);
    if (breakpoint === undefined) return false;
    this.#hit ??= { breakpoint, access: 'execute', address, size: 0 };
    return true;
  }

  /** Data is accessed. @returns as above; the first of an instruction's accesses counts */
  meetAccess(address: number, size: number, access: 'read' | 'write'): boolean {
    const breakpoint = this.#watching.find(
      (one) =>
        (one.kind === access || one.kind === 'access') &&
        address < one.address + one.length &&
        one.address < address + size,
    );
    if (breakpoint === undefined) return false;
    this.#hit ??= { breakpoint, access, address, size };
    return true;
  }

  #change(all: readonly Breakpoint[]): void {
    this.#all = Object.freeze(all);
    this.#byInstruction.clear();
    // The oldest is the one that is met.
    for (const one of [...all].reverse()) if (one.kind === 'execute') this.#byInstruction.set(one.address, one);
    this.#watching = all.filter((one) => one.kind !== 'execute');
    this.#hit = undefined;
    this.#onChange();
  }
}

const pageOf = (address: number): number => Math.floor(address / PAGE_SIZE);

function checkRequest(request: BreakpointRequest): Omit<Breakpoint, 'id'> {
  const { address, kind = 'execute', length = 1 } = checkOptions('breakpoint', request, ['address', 'kind', 'length']);
  const checked = {
    address: checkWholeNumber('breakpoint: address', address, { least: 0, most: HIGHEST }),
    kind: checkChoice('breakpoint: kind', kind, KINDS),
    length: checkWholeNumber('breakpoint: length', length, { least: 1, most: PAGE_SIZE }),
  };
  return checked.kind === 'execute' ? { ...checked, length: 1 } : checked;
}
