/** How fast data go over the cable, as SET FEATURES chooses it: it changes what IDENTIFY says, and no timing here. */

export interface TransferMode {
  readonly dma: 'multiword' | 'ultra';
  readonly mode: number;
}

export const DEFAULT_TRANSFER_MODE: TransferMode = { dma: 'multiword', mode: 2 };

const KIND = { PIO_DEFAULT: 0x00, PIO_FLOW_CONTROL: 0x08, MULTIWORD_DMA: 0x20, ULTRA_DMA: 0x40 } as const;
const FASTEST = { PIO_DEFAULT: 1, PIO: 4, MULTIWORD: 2, ULTRA: 5 } as const;

/**
 * The mode after a subcommand 03h with this count, table 50 of ATA/ATAPI-6; undefined if the drive cannot. What a PIO
 * mode is set to nobody can tell.
 */
export function chooseTransferMode(before: TransferMode, count: number): TransferMode | undefined {
  const mode = count & 7;
  switch (count & 0xf8) {
    case KIND.PIO_DEFAULT:
      return mode <= FASTEST.PIO_DEFAULT ? before : undefined;
    case KIND.PIO_FLOW_CONTROL:
      return mode <= FASTEST.PIO ? before : undefined;
    case KIND.MULTIWORD_DMA:
      return mode <= FASTEST.MULTIWORD ? { dma: 'multiword', mode } : undefined;
    case KIND.ULTRA_DMA:
      return mode <= FASTEST.ULTRA ? { dma: 'ultra', mode } : undefined;
    default:
      return undefined;
  }
}

/** Words 63 and 88: modes up to the fastest in the lower byte, the selected one in the upper. */
export function transferModeWords({ dma, mode }: TransferMode): { multiword: number; ultra: number } {
  const selected = 1 << (8 + mode);
  return {
    multiword: (2 << FASTEST.MULTIWORD) - 1 + (dma === 'multiword' ? selected : 0),
    ultra: (2 << FASTEST.ULTRA) - 1 + (dma === 'ultra' ? selected : 0),
  };
}
