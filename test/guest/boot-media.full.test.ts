/** What people boot, on our BIOS: boot loaders and tools from Debian's packages. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Drive, DriveKind } from '../../src/firmware/board.ts';
import { Pc } from '../../src/machine/pc.ts';
import { TestMedium } from '../support/bios-machine.ts';
import { debianFiles } from '../support/debian-files.ts';
import { sharedCode } from '../support/shared-code.ts';

const MIB = 2 ** 20;
const MILLISECOND = 1_000_000;
const GRUB = 'usr/lib/grub-rescue/grub-rescue-';
const files = debianFiles('grub-rescue-pc', 'memtest86+', 'ipxe');
afterAll(() => files.dispose());

/** A PC with one medium to boot from, an empty disk, and someone who looks at the screen. */
function createPc(kind: DriveKind, image: Uint8Array) {
  const medium = new TestMedium(image, { readOnly: kind === 'cd' });
  const disk: Drive = { medium: new TestMedium(new Uint8Array(20 * MIB)) };
  const drives = {
    floppy: [{ medium: kind === 'floppy' ? medium : undefined }],
    disk: kind === 'disk' ? [{ medium }] : [disk],
    cd: kind === 'cd' ? [{ medium }] : [],
  };
  const boot = { bios: { drives, order: [kind] } };
  const common = { name: 'test', cpu: 'i686', engine: 'auto', powerOnTime: 0, code: sharedCode() } as const;
  const pc = new Pc({ ...common, memoryBytes: 64 * MIB, boot });
  const run = (milliseconds: number) => {
    const end = pc.time + milliseconds * MILLISECOND;
    while (pc.time < end) {
      const { reason } = pc.run({ instructions: 2_000_000, time: end });
      if (reason === 'time') return;
      expect(['budget', 'output']).toContain(reason);
    }
  };
  const waitFor = (text: string | RegExp, seconds: number) => {
    const found = () => new RegExp(text).test(pc.screen().join('\n'));
    for (let waited = 0; waited < 10 * seconds && !found(); waited++) run(100);
    expect(pc.screen().join('\n')).toMatch(text);
  };
  const type = (...keys: string[]) => {
    for (const key of keys) {
      pc.keyboard.press(key);
      run(30);
      pc.keyboard.release(key);
      run(30);
    }
  };
  return { pc, run, waitFor, type };
}

describe.skipIf(files.reason)(`media of Debian packages (${files.reason ?? 'fetched'})`, () => {
  it.each<[string, DriveKind, string, RegExp]>([
    ['floppy', 'floppy', `${GRUB}floppy.img`, /\(hd0\).*\(fd0\)/],
    ['CD', 'cd', `${GRUB}cdrom.iso`, /\(hd0\) \(cd\).*\(fd0\)/],
    ['USB image on a disk', 'disk', `${GRUB}usb.img`, /\(hd0\)/],
  ])('GRUB’s rescue %s reaches its prompt, and ls shows the drives', (_, kind, path, drives) => {
    const { waitFor, type } = createPc(kind, files.read(path));
    waitFor('GNU GRUB  version', 10);
    type('KeyC');
    waitFor('grub> ', 3);
    type('KeyL', 'KeyS', 'Enter');
    waitFor(drives, 30);
  });

  it('memtest86+ runs, and its test goes on', () => {
    const { pc, waitFor } = createPc('cd', files.read('usr/lib/memtest86+/memtest86+ia32.iso'));
    waitFor('Test #', 20);
    waitFor('Errors: 0', 20);
    const before = pc.screen().join('\n');
    waitFor(/Pass\s+[1-9]\d?%/, 60);
    expect(pc.screen().join('\n')).not.toBe(before);
  });

  it('iPXE shows its banner, and gives the BIOS its turn again', () => {
    const { waitFor } = createPc('cd', files.read('usr/lib/ipxe/ipxe.iso'));
    waitFor('Open Source Network Boot Firmware', 20);
    waitFor('Nothing to boot from.', 20);
  });
});
