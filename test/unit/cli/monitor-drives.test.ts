/** The monitor's eject and insert, on a guest with a CD-ROM drive and one floppy drive. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Monitor } from '../../../src/cli/monitor-commands.ts';
import { createImageOpener } from '../../../src/host/image-opener.ts';
import { createPlatform } from '../../../src/host/platform.ts';
import type { PcGuest } from '../../../src/hypervisor/create-guest.ts';
import { Host } from '../../../src/hypervisor/host.ts';

let folder: string;
let host: Host;
let guest: PcGuest;
let monitor: Monitor;
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vetro-monitor-'));
  const iso = new Uint8Array(0x9000);
  iso.set(new TextEncoder().encode('CD001'), 0x8001);
  writeFileSync(file('disc.iso'), iso);
  writeFileSync(file('a  b.img'), new Uint8Array(1440 * 1024).fill(7));
  writeFileSync(file('big.img'), new Uint8Array(3 * 1024 * 1024));
  mkdirSync(file('folder'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  host = new Host({ platform: createPlatform(), openImage: createImageOpener() });
  guest = await host.createGuest({
    boot: { image: Uint8Array.of(0xf4) },
    memory: 1,
    engine: 'reference',
    cdrom: file('disc.iso'),
    floppy: {},
  });
  monitor = new Monitor(guest);
});
afterEach(() => host[Symbol.asyncDispose]());

const say = async (line: string): Promise<string> => (await monitor.execute(line)).text;
const loaded = () => [guest.cdrom?.loaded, guest.floppies[0].loaded];

describe('eject and insert', () => {
  it('a disc is taken out and put in; the name may have blanks in it', async () => {
    expect(loaded()).toEqual([true, false]);
    expect(await say('eject cdrom')).toBe('cdrom is empty');
    expect(await say('eject cdrom')).toBe('cdrom is empty already');
    expect(await say(`insert a ${file('a  b.img')}`)).toBe(`${file('a  b.img')} is in a`);
    expect(loaded()).toEqual([false, true]);
    expect(await say(`  insert   cdrom   file=${file('disc.iso')},format=raw `)).toBe(
      `${file('disc.iso')} is in cdrom`,
    );
    expect(await say(`insert a file=${file('a  b.img')},write=never`)).toContain('is in a');
    expect(loaded()).toEqual([true, true]);
  });

  it('what the guest has locked in stays, but for force', async () => {
    const drive = guest.machine.cdrom!;
    drive.state.locked = true;
    expect(await say('eject cdrom')).toBe(
      'the guest has locked cdrom, and is asked for the disc; eject cdrom force takes it out',
    );
    expect(loaded()[0]).toBe(true);
    expect(await say('eject cdrom force')).toBe('cdrom is empty');
    expect(loaded()[0]).toBe(false);
  });

  // biome-ignore format: one case a line
  it.each<[line: string, answer: string | RegExp]>([
    ['eject', 'a word is missing: eject DRIVE [force]'],
    ['eject a b c', '"c" is one word too many: eject DRIVE [force]'],
    ['eject cdrom now', '"now" is not force: eject DRIVE [force]'],
    ['eject z', '"z" is no drive: there are cdrom, a and b'],
    ['eject constructor', '"constructor" is no drive: there are cdrom, a and b'],
    ['eject b', 'the guest has no drive b: --floppy empty gives it one, at its start'],
    ['insert', 'a word is missing: insert DRIVE FILE'],
    ['insert a', 'a word is missing: insert DRIVE FILE'],
    ['insert a @/none', /none: no such file/],
    ['insert a @/folder', /folder.* is a directory/],
    ['insert a @/big.img', /big\.img/],
    ['insert a @/disc.iso', /disc\.iso/],
    ['insert a file=', 'insert: file= is empty'],
    ['insert a file=x,write=often', 'insert: write= must be one of discard, through, never, not often'],
    ['insert cdrom file=x,write=through', 'insert: a CD is never written; it takes file= and format='],
    ['insert z x', '"z" is no drive: there are cdrom, a and b'],
  ])('%s: one line, and everything is as before', async (line, answer) => {
    const said = await say(line.replace('@/', `${folder}/`));
    if (typeof answer === 'string') expect(said).toBe(answer);
    else expect(said).toMatch(answer);
    expect(said).not.toContain('\n');
    expect(said).not.toContain('internal error');
    expect(loaded()).toEqual([true, false]);
  });
});
