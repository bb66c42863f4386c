/** What the hypervisor needs of the world around it to put images into drives. Implemented in `host`. */
import type { Medium } from '../../bus/medium.ts';
import type { ImageFormatName, ImageSource, WriteMode } from '../options/media-options.ts';

export interface ImageRequest {
  /** The option that asks for it: in messages, where the image has no name of its own. */
  readonly option: string;
  readonly drive: 'disk' | 'cdrom' | 'floppy';
  readonly image: ImageSource;
  readonly format: ImageFormatName | undefined;
  readonly write: WriteMode | 'never';
  /** It goes into a drive of a guest that is restored. @throws UserError if it is another one */
  readonly expected?: ExpectedImage | undefined;
  /**
   * What is written into files can be undone, back to where an epoch began. `backTo`: it is, to that one, which begins anew.
   * @throws UserError where that cannot be
   */
  readonly undo?: { readonly backTo: number | undefined } | undefined;
}

/** What was written into the files of an image since an epoch began can be undone when it is opened again. */
export interface UndoControl {
  /** An epoch begins: between two writes. @throws UserError, and the one before goes on */
  begin(epoch: number): void;
  /** What it takes to undo is on stable storage. */
  sync(): void;
  /** Nobody will go back to an epoch before this one. */
  drop(before: number): void;
}

/** What an image was when a snapshot was taken. */
export interface ExpectedImage {
  readonly name: string;
  /** Bytes that the guest sees. */
  readonly size: number;
  /** As `OpenImage.saved` gave it. */
  readonly stamp: string | null;
  /** Pages that go over it; none if it is not written in memory. */
  readonly kept: { readonly count: number; pages(): AsyncIterable<KeptPage> };
}

/** What was written to 4 KiB of an image, by number. */
export interface KeptPage {
  readonly page: number;
  readonly bytes: Uint8Array;
}

/** What a snapshot keeps of an image. */
export interface SavedImage {
  /** Path or URL; null: there is none. */
  readonly where: string | null;
  readonly format: ImageFormatName | null;
  readonly write: 'discard' | 'through' | 'never' | 'overlay';
  readonly overlay: string | null;
  /** Differs when the content of its files does; null: nobody knows. */
  readonly stamp: string | null;
  /** What was written and is kept in memory, rising by number. `version`: grows when it is written again. */
  readonly kept?: Iterable<KeptPage & { readonly version: number }> | undefined;
}

/** In use: what is written is locked. */
export interface OpenImage extends Medium {
  /** How messages call it. */
  readonly name: string;
  /** For a snapshot, as it is now. */
  saved(): SavedImage;
  /** If that was asked for. */
  readonly undo?: UndoControl | undefined;
  /** Flushes, and gives everything back. Again: nothing happens. */
  close(): void | Promise<void>;
  /** Closes it, and removes what was made for it, as if it had never been opened. */
  abandon(): void | Promise<void>;
}

/** @throws UserError (as a rejection) that names the image, or the option; then nothing is open */
export type ImageOpener = (request: ImageRequest) => Promise<OpenImage>;
