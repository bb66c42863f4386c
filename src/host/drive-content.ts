/** Whether a drive can do anything with what is to be put into it. */
import { UserError } from '../base/errors.ts';
import type { BlockStore, ImageFormat } from '../storage/block-store.ts';
import { FLOPPY_KIB, type ImageIdentity, type ImageKind } from '../storage/sniff-image.ts';

export interface DriveContent {
  /** How messages call it. */
  readonly name: string;
  readonly store: BlockStore;
  readonly identity: ImageIdentity;
  /** The format that the user has named: then only what cannot be is refused. */
  readonly asked: ImageFormat | undefined;
}

/** What is no disk, whatever drive it is for. */
const NO_DISK: Partial<Record<ImageKind, string>> = {
  bzimage: 'is a Linux kernel, not a disk: boot it as a kernel',
  elf: 'is an ELF file, not a disk',
  multiboot: 'is a kernel (Multiboot), not a disk: boot it as a kernel',
  gzip: 'is compressed with gzip: unpack it first (gunzip)',
};

const BLOCK = 2048;
/** ECMA-119, 8.4.8: blocks of the volume, in the primary volume descriptor in block 16. */
const VOLUME_SPACE_SIZE = 16 * BLOCK + 80;

/** @throws UserError that names it */
export async function assertDriveTakes(drive: 'disk' | 'cdrom' | 'floppy', content: DriveContent): Promise<void> {
  const { name, store, identity, asked } = content;
  const refusal = asked === undefined ? NO_DISK[identity.kind] : undefined;
  if (refusal !== undefined) throw new UserError(`${name} ${refusal}`);
  if (drive === 'floppy') {
    if (identity.kind === 'iso') throw new UserError(`${name} is a CD (ISO 9660), not a floppy disk`);
    if (!FLOPPY_KIB.some((kib) => kib * 1024 === store.size))
      throw new UserError(
        `${name} has ${store.size} bytes, which no floppy disk has: ${FLOPPY_KIB.join(', ')} KiB are possible`,
      );
  }
  if (identity.kind === 'iso') await assertWholeCd(name, store);
  else if (drive === 'cdrom' && store.size < BLOCK)
    throw new UserError(`${name} has ${store.size} bytes: that is less than a block of a CD`);
}

async function assertWholeCd(name: string, store: BlockStore): Promise<void> {
  if (store.size < VOLUME_SPACE_SIZE + 4) return;
  const bytes = await store.read(VOLUME_SPACE_SIZE, 4);
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) * BLOCK;
  if (size > store.size)
    throw new UserError(`${name} is cut off: it has ${store.size} bytes of the ${size} that the CD has`);
}
