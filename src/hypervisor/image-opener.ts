/** What the hypervisor needs of the world around it to put images into drives. Implemented in `host`. */
import type { Medium } from '../bus/medium.ts';
import type { ImageFormatName, ImageSource, WriteMode } from './media-options.ts';

export interface ImageRequest {
  /** The option that asks for it: in messages, where the image has no name of its own. */
  readonly option: string;
  readonly drive: 'disk' | 'cdrom' | 'floppy';
  readonly image: ImageSource;
  readonly format: ImageFormatName | undefined;
  readonly write: WriteMode | 'never';
}

/** In use: what is written is locked. */
export interface OpenImage extends Medium {
  /** How messages call it. */
  readonly name: string;
  /** Flushes, and gives everything back. Again: nothing happens. */
  close(): void | Promise<void>;
  /** Closes it, and removes what was made for it, as if it had never been opened. */
  abandon(): void | Promise<void>;
}

/** @throws UserError (as a rejection) that names the image, or the option; then nothing is open */
export type ImageOpener = (request: ImageRequest) => Promise<OpenImage>;
