/** What can be put into a guest's drives. `check-media-options.ts` sees that nothing else is. */

/** As much of a URL as is needed. */
export interface UrlLike {
  readonly href: string;
}

/** As much of a Blob or File as is needed. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * Where an image is: a text that begins with `http:` or `https:`, or a URL, is on a server, which must send parts of
 * files; any other text is the path of a file, where there are files; else a Blob or File, or the bytes themselves.
 */
export type ImageSource = string | UrlLike | BlobLike | Uint8Array;

/** How what is on a disk is written down. */
export type ImageFormatName = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vhd';

/**
 * What becomes of what the guest writes: `discard` keeps it in memory until the guest is disposed, and then forgets it;
 * `through` writes into the image itself, which nobody else may write meanwhile; `overlay` keeps it in a qcow2 file beside
 * the image, which stays as it is. That file is made if it is not there.
 */
export type WriteMode = 'discard' | 'through' | { readonly overlay: string };

export interface CdromOptions {
  /** None: the drive is empty. */
  readonly image?: ImageSource | undefined;
  /** Default: what its content says. */
  readonly format?: ImageFormatName | undefined;
}

export interface FloppyOptions extends CdromOptions {
  /** Default: `discard`, of which an event `warning` tells when the guest first runs. */
  readonly write?: WriteMode | undefined;
  /** The guest cannot write at all. Not together with `write`. Default: false. */
  readonly readOnly?: boolean | undefined;
}

export interface DiskOptions extends FloppyOptions {
  readonly image: ImageSource;
}

export interface MediaOptions {
  /** Hard disks on the IDE cables, the boot disk first: up to four, or three beside a CD-ROM drive. */
  readonly disks?: readonly (ImageSource | DiskOptions)[] | undefined;
  /** A CD-ROM drive, and what is in it; `{}`: nothing. Default: there is no drive. */
  readonly cdrom?: ImageSource | CdromOptions | undefined;
  /** Floppy drive A. Instead of `floppies`. */
  readonly floppy?: ImageSource | FloppyOptions | undefined;
  /** Floppy drives A and B, each with a disk or, by `{}`, empty. Default: there are none. */
  readonly floppies?: readonly (ImageSource | FloppyOptions)[] | undefined;
}
