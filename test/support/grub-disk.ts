/** What grub-install does to a disk, done to the image of one: the boot sector, and GRUB's core behind it. */
import { closeSync, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Of Debian's package grub-pc-bin. */
export const GRUB = '/usr/lib/grub/i386-pc';

const SECTOR = 512;
/** Fields of an MBR: a signature that tells disks apart, four partitions, the mark of a boot sector. */
const MBR = { CODE_BYTES: 440, SIGNATURE: 440, PARTITIONS: 446, MARK: 510 } as const;
/** Of a partition in the MBR. What no cylinder, head and sector can say: 1023, 254, 63. */
const PARTITION = { ACTIVE: 0, FIRST_CHS: 1, TYPE: 4, LAST_CHS: 5, START: 8, SECTORS: 12 } as const;
const BEYOND_CHS = [0xfe, 0xff, 0xff];
const LINUX = 0x83;

/**
 * Makes the image a disk with one partition, from `partitionStart` (a byte) to its end, that boots what grub-mkimage
 * has made. GRUB's boot sector comes as one that looks for the core's first sector in sector 1, and that one has the
 * list of the others, as many as follow it. So it needs no change where the core lies right behind the MBR.
 */
export function installGrub(image: string, core: string, partitionStart: number): void {
  const coreBytes = readFileSync(core);
  if (SECTOR + coreBytes.length > partitionStart)
    throw new Error('GRUB’s core is larger than the room before the partition');
  const file = openSync(image, 'r+');
  try {
    const { size } = fstatSync(file);
    const mbr = Buffer.alloc(SECTOR);
    readFileSync(join(GRUB, 'boot.img')).copy(mbr, 0, 0, MBR.CODE_BYTES);
    mbr.writeUInt32LE(0x7665_7472, MBR.SIGNATURE);
    const partition = mbr.subarray(MBR.PARTITIONS, MBR.PARTITIONS + 16);
    partition[PARTITION.ACTIVE] = 0x80;
    partition.set(BEYOND_CHS, PARTITION.FIRST_CHS);
    partition[PARTITION.TYPE] = LINUX;
    partition.set(BEYOND_CHS, PARTITION.LAST_CHS);
    partition.writeUInt32LE(partitionStart / SECTOR, PARTITION.START);
    partition.writeUInt32LE((size - partitionStart) / SECTOR, PARTITION.SECTORS);
    mbr.writeUInt16LE(0xaa55, MBR.MARK);
    writeSync(file, mbr, 0, SECTOR, 0);
    writeSync(file, coreBytes, 0, coreBytes.length, SECTOR);
  } finally {
    closeSync(file);
  }
}
