/** What hangs on the two IDE cables: the CD-ROM drive is device 0 of the second, disks take the other places in order. */
import { UserError } from '../base/errors.ts';
import type { VirtualClock } from '../base/virtual-clock.ts';
import type { Medium } from '../bus/medium.ts';
import { AtaDisk } from '../devices/ide/ata-disk.ts';
import { AtapiCdrom } from '../devices/ide/atapi-cdrom.ts';
import type { IdeDrive } from '../devices/ide/ide-drive.ts';
import type { Drive, Drives } from '../firmware/board.ts';
import { PCI } from './pc-map.ts';

export interface IdeMedia {
  /** Of 512-byte sectors; up to four, or three beside a CD-ROM drive. */
  readonly disks?: readonly Medium[] | undefined;
  /** The disc in the drive, of 2048-byte blocks; 'empty': a drive without one; undefined: no drive. */
  readonly cdrom?: Medium | 'empty' | undefined;
  /** Told the first time that a drive could not read or write its medium: one line for the user. */
  readonly onHostError?: ((line: string) => void) | undefined;
}

type Cable = readonly [IdeDrive | undefined, IdeDrive | undefined];
export interface IdeDrives {
  readonly cables: readonly [Cable, Cable];
  readonly cdrom: AtapiCdrom | undefined;
  /** The same drives, with their media, as the BIOS reaches them. */
  readonly forBios: Pick<Drives, 'disk' | 'cd'>;
}

const PLACES = 4;
const CDROM_PLACE = 2;
const IDE = { pciDevice: PCI.IDE.device, pciFunction: PCI.IDE.function };

/** @throws UserError for more disks than there are places, or a disk without a sector */
export function createIdeDrives(clock: VirtualClock, { disks = [], cdrom: disc, onHostError }: IdeMedia): IdeDrives {
  const room = disc === undefined ? PLACES : PLACES - 1;
  if (disks.length > room)
    throw new UserError(
      `${disks.length} disks: there is room for ${room}${disc === undefined ? '' : ' beside the CD-ROM drive'}`,
    );
  const ataDisks = disks.map((medium, index) => {
    const identity = { model: 'VETRO HARDDISK', serial: `VETRO-HD-${index}`, firmware: '1.0' };
    return new AtaDisk({ name: `disk-${index}`, clock, medium, identity, onHostError });
  });
  const places: (IdeDrive | undefined)[] = [...ataDisks];
  const identity = { model: 'VETRO CD-ROM', serial: 'VETRO-CD-0', firmware: '1.0' };
  const medium = disc === 'empty' ? undefined : disc;
  const cdrom =
    disc === undefined ? undefined : new AtapiCdrom({ name: 'cdrom', clock, medium, identity, onHostError });
  if (cdrom !== undefined) {
    while (places.length < CDROM_PLACE) places.push(undefined);
    places.splice(CDROM_PLACE, 0, cdrom);
  }
  const [first, second, third, fourth] = places;
  return {
    cables: [
      [first, second],
      [third, fourth],
    ],
    cdrom,
    forBios: {
      disk: disks.map((medium, index) => {
        const place = places.indexOf(ataDisks[index]);
        return { medium, ata: { ...IDE, channel: place >> 1, device: place & 1 } };
      }),
      cd: cdrom === undefined ? [] : [discDrive(cdrom)],
    },
  };
}

/** Its medium is what is in the drive whenever somebody looks. */
function discDrive(cdrom: AtapiCdrom): Drive {
  const seen = { medium: cdrom.disc, changes: 0 };
  return {
    get medium() {
      return cdrom.disc;
    },
    get changes() {
      if (seen.medium !== cdrom.disc) seen.changes++;
      seen.medium = cdrom.disc;
      return seen.changes;
    },
  };
}
