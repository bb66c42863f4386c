/** Counted since the pool began, but for `saved`. */
export interface ScannerFigures {
  /** Pages looked at, of those that had a frame. */
  readonly scanned: number;
  /** Rounds through all of the pool. */
  readonly rounds: number;
  /** Pages that came to share a frame, and that gave one of zeros back. */
  readonly merged: number;
  readonly zeros: number;
  /** Merged pages that were found written again. */
  readonly parted: number;
  /** Frames that are saved at present, by clones, too. */
  readonly saved: number;
}
