/**
 * Debian 12 from a disk, as people have it: our BIOS or SeaBIOS, the MBR, GRUB, the kernel with its initial RAM disk,
 * systemd, a login. What is written is there at the next boot, in the image or in an overlay, which QEMU boots, too.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Typist } from '../support/debian.ts';
import { debianDisk, PARTITION_START, PASSWORD } from '../support/debian-disk.ts';
import { QEMU_IMG_MISSING, qemuCheck, qemuImg } from '../support/qemu-img.ts';
import { hasQemu } from '../support/run-qemu.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { seaBios } from '../support/seabios-machine.ts';
import { hasScript, Terminal } from '../support/terminal.ts';

const { image, reason } = await debianDisk();
const missing = reason ?? (hasScript ? QEMU_IMG_MISSING : 'the program script is missing');
const { reason: noSeaBios } = await seaBios();

/** What Linux misses in this PC; whatever else it or systemd complains about is our fault. */
const EXPECTED_COMPLAINTS: readonly RegExp[] = [
  /^ACPI: setting ELCR to 0200 \(from 0c00\)$/, // it does so for the SCI wherever there is no I/O APIC
  /^smpboot: weird, boot CPU \(#0\) not listed by the BIOS$/, // no MADT, as there is no APIC
  /^ACPI: No APIC-table, disabling MPS$/, // for the same reason, where SeaBIOS has left an MP table of its own
  /^acpi PNP0A03:00: fail to add MMCONFIG information/, // a conventional PCI bus has none
  /^i8042: PNP: PS\/2 appears to have AUX port disabled/, // no mouse
  /^mce: Unable to init MCE device/, // no machine checks
  /^piix4_smbus 0000:00:01\.3: SMBus base address uninitialized/, // no SMBus
  /^device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled/, // how Debian configures its kernel
];

const MEMORY = '512';
const WRITE = 'seq 1 200000 > numbers; md5sum numbers > sum';
const READ = 'md5sum -c sum; wc -l < numbers';
const WRITTEN = 'numbers: OK\n200000';

/** Somebody at a machine that boots from the disk. */
class Operator {
  readonly #terminal: Terminal;
  readonly #typist: Typist;

  constructor(words: readonly string[]) {
    this.#terminal = new Terminal(words);
    this.#typist = new Typist(this.#terminal, { prompt: /vetro# / });
  }

  /** From power-on, or a restart, to a shell. */
  async logIn(): Promise<void> {
    await this.#typist.waitFor('GNU GRUB  version');
    await this.#typist.waitFor('Linux version');
    // A file system without a journal has no such mode.
    await this.#typist.waitFor('EXT4-fs (sda1): mounted filesystem with ordered data mode');
    await this.#typist.waitFor('debian login: ');
    this.#typist.type('root\r');
    await this.#typist.waitFor('Password: ');
    this.#typist.type(`${PASSWORD}\r`);
    await this.#typist.waitFor('root@debian:~# ');
    this.#typist.type(`SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat PS1='vetro''# ' exec sh\r`);
    await this.#typist.waitFor('vetro# ');
    await this.command('systemctl is-system-running --wait; dmesg -n 1');
  }

  command(line: string): Promise<string> {
    return this.#typist.command(line);
  }

  async reboot(): Promise<void> {
    this.#typist.type('reboot\r');
    await this.#typist.waitFor('reboot: Restarting system');
  }

  /** @returns the exit status of what runs the machine */
  powerOff(): Promise<number | null> {
    this.#typist.type('poweroff\r');
    return this.#terminal.ended;
  }

  kill(): void {
    this.#terminal.kill();
  }
}

async function expectHealth(operator: Operator): Promise<void> {
  expect(await operator.command('systemctl --failed --no-legend --plain')).toBe('');
  expect(await operator.command('systemctl is-system-running')).toBe('running');
  expect(await operator.command('systemctl is-active systemd-logind user@0.service')).toBe('active\nactive');
  const complaints = (await operator.command('journalctl -b -p warning -o cat --no-pager')).split('\n');
  expect(complaints.filter((line) => !EXPECTED_COMPLAINTS.some((expected) => expected.test(line)))).toEqual([]);
}

/** The file system, as those who made it look at it. */
function expectCleanFileSystem(disk: string): void {
  const { status, stdout } = spawnSync('e2fsck', ['-f', '-n', `${disk}?offset=${PARTITION_START}`], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toMatchObject({ status: 0 });
}

describe.skipIf(!image || missing)(`Debian 12 from a disk${missing ? ` (${missing})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vetro-debian-disk-'));
  const through = join(folder, 'through.img');
  const overlay = join(folder, 'overlay.qcow2');
  let vetro: Vetro;

  beforeAll(async () => {
    vetro = await buildVetro();
  });
  afterAll(() => {
    vetro.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Boots, has `work` done, powers off. */
  async function session(words: readonly string[], work: (operator: Operator) => Promise<void>): Promise<void> {
    const operator = new Operator(words);
    try {
      await operator.logIn();
      await work(operator);
      expect(await operator.powerOff()).toBe(0);
    } finally {
      operator.kill();
    }
  }
  const underVetro = (disk: string, ...more: string[]): string[] => [
    ...[
      ...vetro.command,
      'run',
      '--memory',
      MEMORY,
      '--clock',
      'virtual',
      '--power-on-time',
      'now',
      '--boot',
      'disk',
      '--disk',
      disk,
    ],
    ...more,
  ];
  const expectSound = (): void => expect(qemuCheck(overlay)).toMatchObject({ status: 0 });

  it('written through: no unit fails, a file is there after a reboot, the file system is clean', async () => {
    rmSync(through, { force: true });
    spawnSync('cp', ['--sparse=always', image!, through]);
    await session(underVetro(`file=${through},write=through`), async (operator) => {
      await expectHealth(operator);
      await operator.command(WRITE);
      await operator.reboot();
      await operator.logIn();
      await expectHealth(operator);
      expect(await operator.command(READ)).toBe(WRITTEN);
    });
    expectCleanFileSystem(through);
  });

  it.skipIf(noSeaBios)(
    `by SeaBIOS: no unit fails, the file is there${noSeaBios ? ` (${noSeaBios})` : ''}`,
    async () => {
      await session(underVetro(`file=${through},write=through`, '--bios', 'seabios'), async (operator) => {
        await expectHealth(operator);
        expect(await operator.command(READ)).toBe(WRITTEN);
      });
      expectCleanFileSystem(through);
    },
  );

  it('in an overlay: a file is there at the next start, the image is as it was, qemu-img finds no fault', async () => {
    rmSync(overlay, { force: true });
    const { mtimeMs } = statSync(image!);
    const disk = `file=${image},overlay=${overlay}`;
    await session(underVetro(disk), async (operator) => {
      await operator.command(WRITE);
    });
    expectSound();
    await session(underVetro(disk), async (operator) => {
      await expectHealth(operator);
      expect(await operator.command(READ)).toBe(WRITTEN);
    });
    expectSound();
    expect(statSync(image!).mtimeMs).toBe(mtimeMs);
    const flat = join(folder, 'flat.img');
    qemuImg('convert', '-O', 'raw', overlay, flat);
    expectCleanFileSystem(flat);
    rmSync(flat);
  });

  const noQemu = hasQemu() ? '' : ' (no qemu-system-i386)';
  it.skipIf(noQemu)(`QEMU boots the overlay and finds the file${noQemu}`, async () => {
    const machine = ['-M', 'pc', '-accel', 'tcg', '-m', MEMORY, '-net', 'none', '-display', 'none', '-monitor', 'none'];
    const drive = ['-drive', `if=ide,format=qcow2,file=${overlay}`, '-serial', 'stdio'];
    await session(['qemu-system-i386', ...machine, ...drive], async (operator) => {
      expect(await operator.command('systemctl is-system-running')).toBe('running');
      expect(await operator.command(READ)).toBe(WRITTEN);
    });
    expectSound();
    expect(await vetro.run(['image', 'check', overlay])).toMatchObject({ status: 0 });
  });
});
