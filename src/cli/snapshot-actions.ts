/** What `vetro snapshot` does with a file. */
import { statSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { createSnapshotFiles } from '../host/snapshot-files.ts';
import { type GuestHead, PAGES, type SavedMedium } from '../hypervisor/snapshot/guest-head.ts';
import { type ReadSnapshot, readSnapshot } from '../hypervisor/snapshot/snapshot.ts';
import type { MachineState } from '../machine/machine-state.ts';
import { machineState } from '../machine/machine-state-schema.ts';
import type { StoredSnapshot } from '../snapshot/store/stored-snapshot.ts';
import { showByteSize } from './byte-size.ts';

const PAGE = 4096;

/** @returns lines @throws UserError for what is no snapshot */
export const inspectSnapshot = (path: string): Promise<string> =>
  withSnapshot(path, ({ file, head, stored }) => {
    const { configuration, processor, devices } = machineState(head.machine, 'machine');
    const ram = file.numbers(PAGES.RAM).length * PAGE;
    const rows: [string, string][] = [
      ['snapshot', path],
      ...(stored
        ? describeStored(stored)
        : [['file', `${showByteSize(statSync(path).size)}, ${file.stored} pages stored`] as [string, string]]),
      ['guest', `${head.guest.name}, clock ${head.guest.clock}`],
      ['memory', `${showByteSize(configuration.memoryBytes)}, ${showByteSize(ram)} of it not zero`],
      ['processor', `${configuration.cpu}, after ${processor.instructions.toLocaleString('en')} instructions`],
      ['time', `${(timeOf(processor) / 1e9).toFixed(6)} s`],
      ['boots', BOOTS[head.boot.kind]],
      ...mediaRows(head),
      ['devices', devices.map(({ name, version }) => `${name} ${version}`).join(', ')],
    ];
    return rows.map(([name, value]) => `${name.padEnd(10)}${value}`).join('\n');
  });

/** Reads all of it. @throws UserError for the first thing that is damaged */
export const verifySnapshot = (path: string): Promise<string> =>
  withSnapshot(path, async ({ file, head }) => {
    machineState(head.machine, 'machine');
    await file.verify();
    return `${path}: ${file.stored} pages and what describes them are as they were written`;
  });

/** @throws UserError for what is no snapshot */
export async function withSnapshot<Result>(
  path: string,
  action: (snapshot: ReadSnapshot) => Result | Promise<Result>,
): Promise<Result> {
  const snapshot = await named(path, () => readSnapshot(path, createSnapshotFiles()));
  try {
    return await named(path, async () => await action(snapshot));
  } finally {
    await snapshot.close();
  }
}

/** What is wrong with a snapshot is said with its name. */
export async function named<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.includes(path)) throw error;
    throw new UserError(`${path}: ${error.message}`);
  }
}

function describeStored({ store, stored, read: { manifest } }: StoredSnapshot): [string, string][] {
  const { taken, parent, checkpoint, packs } = manifest;
  return [
    ['store', `${store}, ${stored} pages in ${packs.length} packs`],
    [
      'taken',
      `${new Date(taken).toUTCString()}${checkpoint ? `, as a checkpoint (every ${checkpoint.every} ms)` : ''}`,
    ],
    ...(parent ? [['parent', parent.id] as [string, string]] : []),
  ];
}

const BOOTS = { image: 'a kernel or an image', bios: 'by the BIOS', rom: 'by a BIOS from a file' } as const;

/** Guest time in ns. */
function timeOf({ instructions, time }: MachineState['processor']): number {
  return time.time + ((instructions - time.instructions) * time.slope) / 65_536;
}

function mediaRows({ media: { disks, cdrom, floppies } }: GuestHead): [string, string][] {
  const drives: [string, { readonly medium: SavedMedium | null }][] = [
    ...disks.map((drive): [string, typeof drive] => ['disk', drive]),
    ...(cdrom ? [['cdrom', cdrom] as [string, typeof cdrom]] : []),
    ...floppies.map((drive): [string, typeof drive] => ['floppy', drive]),
  ];
  return drives.map(([name, { medium }]) => [name, medium ? describeMedium(medium) : 'empty']);
}

const describeMedium = ({ name, size, write, overlay, where }: SavedMedium): string =>
  `${name}, ${showByteSize(size)}, writes: ${overlay ?? write}${where === null ? ' (not a file)' : ''}`;
