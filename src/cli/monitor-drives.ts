/** The monitor's commands for drives whose medium can be exchanged: the CD-ROM drive, and floppy drives a and b. */
import { shown } from '../base/argument-check.ts';
import { UserError } from '../base/errors.ts';
import type { PcGuest } from '../hypervisor/create-guest.ts';
import type { ExchangeableDrive } from '../hypervisor/media/removable-drive.ts';
import { parseRemovable } from './media-options.ts';

const FLOPPIES = ['a', 'b'];
const CDROM = 'cdrom';
const FORCE = 'force';

/** @param word `force`: also what the guest has locked in. @throws UserError */
export function eject(guest: PcGuest, name: string, word: string | undefined): string {
  const drive = driveOf(guest, name);
  if (word !== undefined && word !== FORCE)
    throw new UserError(`${shown(word)} is not ${FORCE}: eject DRIVE [${FORCE}]`);
  if (!drive.loaded) return `${name} is empty already`;
  if (drive.eject({ force: word === FORCE })) return `${name} is empty`;
  return `the guest has locked ${name}, and is asked for the disc; eject ${name} ${FORCE} takes it out`;
}

/** @param text FILE, or keys and values as behind --cdrom and --floppy. @throws UserError */
export async function insert(guest: PcGuest, name: string, text: string): Promise<string> {
  const drive = driveOf(guest, name);
  const options = parseRemovable(name === CDROM ? 'cdrom' : 'floppy', 'insert', text);
  await drive.insert(options);
  return `${String(options.image)} is in ${name}`;
}

function driveOf({ cdrom, floppies }: PcGuest, name: string): ExchangeableDrive {
  const drives = new Map<string, ExchangeableDrive>(floppies.map((drive, index) => [FLOPPIES[index], drive]));
  if (cdrom !== undefined) drives.set(CDROM, cdrom);
  const drive = drives.get(name);
  if (drive !== undefined) return drive;
  if (![...FLOPPIES, CDROM].includes(name))
    throw new UserError(`${shown(name)} is no drive: there are ${CDROM}, ${FLOPPIES.join(' and ')}`);
  const option = name === CDROM ? '--cdrom' : '--floppy';
  throw new UserError(`the guest has no drive ${name}: ${option} empty gives it one, at its start`);
}
