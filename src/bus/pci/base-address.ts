/**
 * Base address registers: how large a range a function claims, and where. PCI Local Bus Specification 2.1, section
 * 6.2.5.1. Software finds the size by writing all ones: bits below it stay 0.
 */
import { InternalError } from '../../base/errors.ts';
import type { MmioDevice } from '../mmio.ts';
import type { PortDevice } from '../port-bus.ts';

export type BaseAddress =
  /** `size`: ports, a power of two, 4–256. */
  | { readonly kind: 'io'; readonly size: number; readonly device: PortDevice }
  /** `size`: bytes, a power of two from 16 on, at most 2 GiB. `width`: of the address, default 32. */
  | {
      readonly kind: 'memory';
      readonly size: number;
      readonly device: MmioDevice;
      readonly width?: 32 | 64;
      readonly prefetchable?: boolean;
    };

/** Bit 0 of an expansion ROM's base address: it is decoded. */
export const ROM_ENABLE = 1;

const IO_SPACE = 0x1;
const TYPE_64_BIT = 0x4;
const PREFETCHABLE = 0x8;
/** I/O ports have addresses of 16 bits. */
const IO_SIZE = 0x1_0000;

/** The register, or the two of a 64-bit one, lower half first: value after reset, and what can be written. */
export function baseAddressBits(declared: BaseAddress): readonly { reset: number; writable: number }[] {
  const { kind, size } = declared;
  const [least, most] = kind === 'io' ? [4, 256] : [16, 2 ** 31];
  if (size < least || size > most || (size & (size - 1)) !== 0)
    throw new InternalError(`a base address cannot claim ${size} ${kind === 'io' ? 'ports' : 'bytes'}`);
  const writable = -size >>> 0;
  if (kind === 'io') return [{ reset: IO_SPACE, writable }];
  const wide = declared.width === 64;
  const low = { reset: (wide ? TYPE_64_BIT : 0) | (declared.prefetchable ? PREFETCHABLE : 0), writable };
  return wide ? [low, { reset: 0, writable: 0xffff_ffff }] : [low];
}

/** The range for these register values; undefined if nothing can have that address. */
export function decodedRange(
  { kind, size }: BaseAddress,
  low: number,
  high: number,
): { readonly first: number; readonly length: number } | undefined {
  const first = low - (low % size) + high * 2 ** 32;
  if (kind === 'io' && first + size > IO_SIZE) return undefined;
  return { first, length: size };
}
