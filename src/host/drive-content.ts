/** Whether a drive can do anything with what is to be put into it. */
import { UserError } from '../base/errors.ts';
import { type BlockStore, type ImageFormat, SECTOR_BYTES } from '../storage/block-store.ts';
import { PaddedStore } from '../storage/padded-store.ts';
import { FLOPPY_KIB, type ImageIdentity, type ImageKind } from '../storage/sniff-image.ts';

export interface DriveContent {
  /** How messages call it. */
  readonly name: string;
  readonly store: BlockStore;
  readonly identity: ImageIdentity;
  /** Of the file, as far as that is known. */
  readonly bytes: number;
  /** The format that the user has named: then only what cannot be is refused. */
  readonly asked: ImageFormat | undefined;
}

/** What is no disk, whatever drive it is for. */
const NO_DISK: Partial<Record<ImageKind, string>> = {
  bzimage: 'boot it as a kernel',
  multiboot: 'boot it as a kernel',
  elf: 'give a disk image',
  initrd: 'it goes with a kernel',
  compressed: 'unpack it first',
  archive: 'unpack it first',
  program: 'give a disk image',
  document: 'give a disk image',
  text: 'give a disk image',
};

const BLOCK = 2048;
/** ECMA-119, 8.4.8: blocks of the volume, in the primary volume descriptor in block 16. */
const VOLUME_SPACE_SIZE = 16 * BLOCK + 80;

/** What an image of no usual size is taken for. */
const ODD_KIB = [1440, 2880];

/** Bytes of the floppy disk that an image of `bytes` is, if one holds it. */
const floppySize = (bytes: number): number | undefined =>
  [...FLOPPY_KIB.filter((kib) => kib * 1024 === bytes), ...ODD_KIB]
    .map((kib) => kib * 1024)
    .find((size) => size >= bytes);
const LARGEST = Math.max(...FLOPPY_KIB);

/** As the drive sees it: a floppy disk is as large as they are made, whatever the size of its image. */
export function fitToDrive(drive: 'disk' | 'cdrom' | 'floppy', store: BlockStore): BlockStore {
  const size = drive === 'floppy' ? floppySize(store.size) : undefined;
  return size === undefined || size === store.size ? store : new PaddedStore(store, size);
}

/** @throws UserError that names it */
export async function assertDriveTakes(drive: 'disk' | 'cdrom' | 'floppy', content: DriveContent): Promise<void> {
  const { name, store, identity, asked, bytes } = content;
  // A guest may write to its disk what it likes; but disks have whole sectors.
  const isOdd = bytes % SECTOR_BYTES !== 0 || (drive === 'floppy' && bytes !== store.size);
  const advice = asked === undefined && isOdd ? NO_DISK[identity.kind] : undefined;
  if (advice !== undefined) throw new UserError(`${name} is no disk: it is ${identity.what}; ${advice}`);
  if (drive === 'floppy') {
    // One with a boot sector is made to be written elsewhere, too, as GRUB's rescue floppy is.
    if (identity.kind === 'iso' && !(await hasBootSector(store)))
      throw new UserError(`${name} is a CD (ISO 9660), not a floppy disk`);
    if (floppySize(store.size) === undefined)
      throw new UserError(`${name} has ${store.size} bytes, more than any floppy disk: at most ${LARGEST} KiB`);
  }
  if (identity.kind === 'iso') await assertWholeCd(name, store);
  else if (drive === 'cdrom' && store.size < BLOCK)
    throw new UserError(`${name} has ${store.size} bytes: that is less than a block of a CD`);
}

async function hasBootSector(store: BlockStore): Promise<boolean> {
  const [low, high] = await store.read(SECTOR_BYTES - 2, 2);
  return low === 0x55 && high === 0xaa;
}

async function assertWholeCd(name: string, store: BlockStore): Promise<void> {
  if (store.size < VOLUME_SPACE_SIZE + 8) return;
  const bytes = await store.read(VOLUME_SPACE_SIZE, 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true) * BLOCK;
  // Recorded in both orders of bytes.
  if (size > store.size && view.getUint32(4) * BLOCK === size)
    throw new UserError(`${name} is cut off: it has ${store.size} bytes of the ${size} that the CD has`);
}
