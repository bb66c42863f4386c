/**
 * Addresses, by the step of translation they belong to:
 * logical (selector:offset) → linear → physical (guest) → frame (host).
 * All are non-negative safe integers; the brands keep one kind from being passed for another.
 */
declare const kind: unique symbol;
type Branded<Name extends string> = number & { readonly [kind]: Name };

/** What segmentation yields and paging takes. SDM Vol. 3A, "Using Segments". */
export type LinearAddress = Branded<'linear'>;
/** What paging yields: an address on the guest's bus (after the A20 gate). */
export type PhysicalAddress = Branded<'physical'>;
/** A byte offset into the pool's WebAssembly memory (host). */
export type HostAddress = Branded<'host'>;

export const linear = (value: number): LinearAddress => value as LinearAddress;
export const physical = (value: number): PhysicalAddress => value as PhysicalAddress;
export const hostAddress = (value: number): HostAddress => value as HostAddress;

export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;
