/** Debian's SeaBIOS, unmodified: its own words on the screen, and boot sectors of ours from each kind of drive. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/difftest/random.ts';
import { bootImage } from '../support/bios-machine.ts';
import { bootCd } from '../support/boot-cd.ts';
import { BytesMedium, DelayedMedium } from '../support/media.ts';
import { buildVetro } from '../support/run-vetro.ts';
import { createSeaBiosMachine, runSeaBios, type SeaBiosOptions, seaBios } from '../support/seabios-machine.ts';

const { files, reason } = await seaBios();
const MIB = 2 ** 20;
const BANNER = 'SeaBIOS (version ';

/** Says which drive it comes from, on the debug console. */
const WHO = 'mov al, dl\nmov ah, 0xb0\ncall show';
const END = 'cli\nhlt';
/** Stack and segments: what a BIOS leaves in them is its business. */
const START = 'xor ax, ax\nmov ds, ax\nmov es, ax\nmov ss, ax\nmov sp, 0x7c00\ncld';

const sector = (program: string, size?: number) => bootImage(`${START}\n${program}\n${END}`, size);
const disk = (program: string) => new BytesMedium(sector(program, MIB));
const cd = (program: string) => new BytesMedium(bootCd({ media: 0, image: sector(program, 2048), count: 4 }));
const floppy = (program: string): SeaBiosOptions['floppies'] => [{ medium: new BytesMedium(sector(program)) }];

/** What the program wrote to the debug console, behind SeaBIOS's log. */
const said = (log: string) => log.slice(log.lastIndexOf('Booting from 0000:7c00') + 23).trim();

async function boot(options: SeaBiosOptions) {
  const machine = createSeaBiosMachine(files!, options);
  expect(await runSeaBios(machine.pc)).toBe('halted');
  return machine;
}

describe.skipIf(!files)(`SeaBIOS${reason ? ` (${reason})` : ''}`, () => {
  it('with nothing attached it finds no bootable device, says so and waits', async () => {
    const { pc, screen, log } = createSeaBiosMachine(files!);
    expect(await runSeaBios(pc)).toMatch(/time|idle/);
    const [banner, ...lines] = screen().split('\n');
    expect(banner).toContain(BANNER);
    expect(lines).toEqual([
      'Booting from Floppy...',
      'Boot failed: could not read the boot disk',
      '',
      'Booting from Hard Disk...',
      'Boot failed: could not read the boot disk',
      '',
      'No bootable device.',
    ]);
    for (const line of [
      'Running on QEMU (i440fx)',
      'QEMU fw_cfg DMA interface supported',
      'qemu/e820: addr 0x0000000000000000 len 0x0000000002000000 [RAM]',
      'PCI: init bdf=00:01.1 id=8086:7010',
      'Running option rom at c000:0003',
      'PS2 keyboard initialized',
      'All threads complete.',
    ])
      expect(log()).toContain(line);
  });

  it('vetro run --bios seabios shows what it says', async () => {
    const vetro = await buildVetro();
    const running = vetro.start(['run', '--bios', 'seabios', '--clock', 'virtual', '--memory', '16']);
    await running.shows(/SeaBIOS \(version .*No bootable device\./s);
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(143);
    expect(running.stderr).toBe('');
    vetro.dispose();
  });

  it('vetro run --bios seabios --boot: the screen says what was tried, in that order, when nothing can be booted', async () => {
    const vetro = await buildVetro();
    const drives = ['--cdrom', 'empty', '--floppy', 'empty', '--boot', 'cdrom,floppy'];
    const running = vetro.start(['run', '--bios', 'seabios', '--clock', 'virtual', '--memory', '16', ...drives]);
    await running.shows(
      /Booting from DVD\/CD\.\.\..*Boot failed: .*Booting from Floppy\.\.\..*Boot failed: .*No bootable device\./s,
    );
    running.child.kill('SIGTERM');
    expect(await running.ended).toBe(143);
    vetro.dispose();
  });

  it.each([
    ['a disk', () => ({ disks: [disk(WHO)] }), 'Hard Disk', 'b080'],
    ['a CD', () => ({ cdrom: cd(WHO) }), 'DVD/CD', 'b0e0'],
    ['a diskette', () => ({ floppies: floppy(WHO) }), 'Floppy', 'b000'],
  ])('starts a boot sector from %s', async (_, drives, kind, drive) => {
    const { screen, log } = await boot(drives());
    expect(screen().split('\n').slice(1)).toEqual([`Booting from ${kind}...`]);
    expect(said(log())).toBe(drive);
  });

  it('El Torito: a diskette image on a CD is drive 0', async () => {
    const cdrom = new BytesMedium(
      bootCd({ media: 2, image: sector(`${WHO}\nmov ah, 8\nint 0x13\nmov ax, cx\ncall show`) }),
    );
    const { log } = await boot({ cdrom });
    expect(said(log())).toBe('b000 4f12');
  });

  it('tries drives in the order that it was given', async () => {
    const drives = () => ({ disks: [disk(WHO)], cdrom: cd(WHO), floppies: floppy(WHO) });
    const first = async (order?: readonly ('floppy' | 'disk' | 'cd')[]) =>
      said((await boot({ ...drives(), rom: { order } })).log());
    expect(await first()).toBe('b000');
    expect(await first(['cd', 'disk'])).toBe('b0e0');
    expect(await first(['disk', 'floppy'])).toBe('b080');
  });

  it('goes on to the next drive where one has no disk, or no boot sector, in it', async () => {
    const { screen, log } = await boot({ floppies: [{}], disks: [new BytesMedium(MIB)], cdrom: cd(WHO) });
    expect(screen().split('\n').slice(1)).toEqual([
      'Booting from Floppy...',
      'Boot failed: could not read the boot disk',
      '',
      'Booting from Hard Disk...',
      'Boot failed: not a bootable disk',
      '',
      'Booting from DVD/CD...',
    ]);
    expect(said(log())).toBe('b0e0');
  });

  it('INT 13h reads and writes a disk, by LBA and by cylinder, head, sector', async () => {
    const medium = disk(`
      mov si, packet
      mov ah, 0x42
      int 0x13
      mov ax, [0x9000]
      call show
      mov word [packet + 8], 9
      mov ax, 0x4300
      int 0x13
      mov ah, 0
      call show
      mov ax, 0x0201
      mov bx, 0x9200
      mov cx, 0x000a
      mov dh, 0
      int 0x13
      sbb ax, ax
      call show
      mov ax, [0x9200]
      call show
      ${END}
      packet: dw 0x10, 1, 0x9000, 0, 7, 0, 0, 0
    `);
    medium.bytes.set([0x34, 0x12], 7 * 512);
    const { log } = await boot({ disks: [medium] });
    expect(said(log())).toBe('1234 0000 0000 1234');
    expect([...medium.bytes.subarray(9 * 512, 9 * 512 + 2)]).toEqual([0x34, 0x12]);
  });

  it('INT 13h tells the geometry of a large disk so that all of 8 GB can be named', async () => {
    const program = sector('mov ah, 8\nmov dl, 0x80\nint 0x13\nmov ax, cx\ncall show\nmov ax, dx\ncall show', MIB);
    const medium = new BytesMedium(program);
    const large = {
      size: 2 ** 40,
      readOnly: true,
      read: (offset: number, length: number) => medium.read(offset, length),
      write() {},
      flush() {},
    };
    const { log } = await boot({ disks: [large] });
    expect(said(log())).toBe('feff fe01');
  });

  it('INT 13h writes a diskette', async () => {
    const medium = new BytesMedium(
      sector(
        'mov word [0x9000], 0x5678\nmov ax, 0x0301\nmov bx, 0x9000\nmov cx, 0x2805\nmov dx, 0x0100\nint 0x13\nmov al, 0\ncall show',
      ),
    );
    const { log } = await boot({ floppies: [{ medium }] });
    expect(said(log())).toBe('0000');
    const at = ((0x28 * 2 + 1) * 18 + 4) * 512;
    expect([...medium.bytes.subarray(at, at + 2)]).toEqual([0x78, 0x56]);
  });

  it('INT 16h gets keys from the keyboard, and from the serial console', async () => {
    const program = 'sti\nmov ah, 0\nint 0x16\ncall show';
    const { pc, log, serial } = createSeaBiosMachine(files!, { disks: [disk(program)], rom: { serialConsole: true } });
    const press = async (action: () => void) => {
      await runSeaBios(pc, { instructions: pc.instructions + 8_000_000 });
      action();
      return runSeaBios(pc, { instructions: pc.instructions + 8_000_000 });
    };
    await press(() => {
      pc.keyboard.press('KeyG');
      pc.keyboard.release('KeyG');
    });
    expect(said(log())).toBe('2267');
    expect(serial()).toContain('Booting from Hard Disk...');
    pc.reset();
    await press(() => pc.serial.send(new TextEncoder().encode('h')));
    expect(said(log())).toBe('2368');
  });

  it('a reset by the guest begins again', async () => {
    const again =
      'mov al, [0x500]\ninc byte [0x500]\nmov ah, 0\ncall show\ncmp al, 0\njne done\nmov dx, 0xcf9\nmov al, 2\nout dx, al\nmov al, 6\nout dx, al\ndone:';
    const { pc, log } = createSeaBiosMachine(files!, { disks: [disk(again)] });
    expect(await runSeaBios(pc)).toBe('reset');
    pc.reset();
    expect(await runSeaBios(pc)).toBe('halted');
    expect(log().split('Running on QEMU').length).toBe(3);
    expect(said(log())).toBe('0001');
  });

  it('puts our ACPI and SMBIOS tables where systems look for them', async () => {
    const { pc, log } = await boot({ floppies: floppy(WHO) });
    expect(log()).toContain('Using pmtimer, ioport 0x608');
    const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
    const text = (at: number, length: number) => new TextDecoder('latin1').decode(pc.peekPhysical(at, length));
    const long = (at: number) => pc.memory.read(at, 4);
    const find = (mark: string) => {
      for (let at = 0xf_0000; at < 0x10_0000; at += 16) if (text(at, mark.length) === mark) return at;
      throw new Error(`no ${mark}`);
    };
    const root = find('RSD PTR ');
    expect([sum(pc.peekPhysical(root, 20)), sum(pc.peekPhysical(root, 36))]).toEqual([0, 0]);
    const [rsdt, xsdt] = [long(root + 16), long(root + 24)];
    const fadt = long(rsdt + 36);
    const tables = [rsdt, xsdt, fadt, long(fadt + 40)];
    expect(tables.map((at) => text(at, 4))).toEqual(['RSDT', 'XSDT', 'FACP', 'DSDT']);
    expect(tables.map((at) => sum(pc.peekPhysical(at, long(at + 4))))).toEqual([0, 0, 0, 0]);
    expect([long(xsdt + 36), long(fadt + 132), long(fadt + 140)]).toEqual([fadt, long(fadt + 36), long(fadt + 40)]);
    const facs = long(fadt + 36);
    expect([text(facs, 4), facs % 64]).toEqual(['FACS', 0]);
    const anchor = find('_SM_');
    expect([sum(pc.peekPhysical(anchor, 31)), sum(pc.peekPhysical(anchor + 16, 15))]).toEqual([0, 0]);
    expect(text(long(anchor + 24), pc.memory.read(anchor + 22, 2))).toContain('Vetro\0PC\0');
  });

  it('the same states at five instruction counts, whoever executes it and however slow the disk is', async () => {
    const program = `mov cx, 200\n.next: push cx\nmov si, packet\nmov ah, 0x42\nint 0x13\ninc byte [packet + 8]\npop cx\nloop .next\n${WHO}\n.spin: inc eax\njmp .spin\npacket: dw 0x10, 1, 0x9000, 0, 7, 0, 0, 0`;
    const counts = [1_000_000, 5_000_001, 7_000_000, 7_500_000, 8_500_000];
    const hashes = async (engine: SeaBiosOptions['engine'], delayed: boolean) => {
      const slow = delayed ? [new DelayedMedium(disk(program)), new DelayedMedium(cd(WHO))] : [];
      const [hard, disc] = delayed ? slow : [disk(program), cd(WHO)];
      const { pc } = createSeaBiosMachine(files!, { engine, disks: [hard], cdrom: disc });
      const random = new Random(5);
      const result: string[] = [];
      for (const instructions of counts) {
        await runSeaBios(pc, { instructions, slow, random });
        result.push(`${pc.instructions} ${pc.stateHash()}`);
      }
      return { result, answers: slow.map(({ mostOutstanding }) => mostOutstanding) };
    };
    const { result } = await hashes('interpreter', false);
    expect(new Set(result).size).toBe(counts.length);
    expect((await hashes('auto', false)).result).toEqual(result);
    const late = await hashes('auto', true);
    expect(late.result).toEqual(result);
    expect(late.answers.every((most) => most > 0)).toBe(true);
  });

  it('the reference evaluator agrees as far as it gets', async () => {
    const [hash, expected] = await Promise.all(
      (['reference', 'auto'] as const).map(async (engine) => {
        const { pc } = createSeaBiosMachine(files!, { engine, disks: [disk(WHO)] });
        const result: string[] = [];
        for (let count = 1; count <= 5; count++) {
          await runSeaBios(pc, { instructions: count * 40_000 });
          result.push(pc.stateHash());
        }
        return result;
      }),
    );
    expect(hash).toEqual(expected);
  });
});
