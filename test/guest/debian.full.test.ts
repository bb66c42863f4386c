/** An unmodified Debian kernel, from its first instruction to an interactive shell, driven as a person would. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Guest, type GuestExit, Host } from '../../src/index.ts';
import { debianBoot, PROMPT, READY_MARKER, Typist } from '../support/debian.ts';

for (const system of ['debian-686', 'debian-686-pae'] as const) {
  const { boot, reason } = await debianBoot(system);

  describe.skipIf(!boot)(`${system}${reason ? ` (${reason})` : ''}`, () => {
    let host: Host;
    let guest: Guest;
    let typist: Typist;
    let ended: Promise<GuestExit>;

    beforeAll(async () => {
      host = await Host.create();
      guest = await host.createGuest({ boot: boot!, memory: 512 });
      typist = new Typist(guest);
      ended = guest.run();
      await typist.waitFor(READY_MARKER);
      await typist.waitFor(PROMPT);
    });

    afterAll(() => host.dispose());

    it('U6: 400 changed bytes of the signed kernel are found before it boots', async () => {
      const { kernel } = boot as { kernel: Uint8Array };
      const corrupt = kernel.slice();
      for (let at = 2_000_000; at < 2_000_400; at++) corrupt[at] ^= 0xff;
      await expect(host.createGuest({ boot: { kernel: corrupt } })).rejects.toThrow(/the kernel is corrupt/);
    });

    it('uname -a names kernel and machine', async () => {
      expect(await typist.command('uname -a')).toMatch(/^Linux vetro 6\.1\.\S+-686.* i686 GNU\/Linux$/);
    });

    it('/proc/cpuinfo shows the CPU model', async () => {
      const text = await typist.command('cat /proc/cpuinfo');
      expect(text).toMatch(/vendor_id\s*: GenuineIntel/);
      expect(text).toMatch(/cpu family\s*: 6/);
      expect(text).toMatch(/flags\s*:.*\bfpu\b.*\btsc\b.*\bcx8\b.*\bcmov\b/);
    });

    it('ls -lR / lists everything', async () => {
      const text = await typist.command('ls -lR / 2>/dev/null');
      expect(text.split('\n').length).toBeGreaterThan(5000);
      expect(text).toContain('/proc/1:');
    });

    it('a shell loop counts', async () => {
      const loop = 'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo counted $i';
      expect(await typist.command(loop)).toBe('counted 1000');
    });

    it('pipes, files and checksums work', async () => {
      await typist.command('seq 1 20000 > /tmp/numbers');
      expect(await typist.command('md5sum < /tmp/numbers')).toBe('e071f707df7bbeee2a6a1eb48011ddd0  -');
      expect(await typist.command('gzip -c /tmp/numbers | gunzip | wc -l')).toBe('20000');
    });

    it('floating point works: awk', async () => {
      const line = `awk 'BEGIN { printf "%.15f %.6e\\n", 1/3, 12345.678 * 9.87e10 }'`;
      expect(await typist.command(line)).toBe('0.333333333333333 1.218518e+15');
    });

    it('Ctrl-C stops a command and leaves the shell', async () => {
      // Not the echo of the line: what it prints. From then on the terminal sends signals.
      typist.type("echo sta''rted; sleep 100000\r");
      await typist.waitFor('started');
      typist.type('\x03');
      await typist.waitFor(PROMPT);
      expect(await typist.command('echo $?')).toBe('130');
    });

    it('vi edits a file', async () => {
      typist.type('vi /tmp/note\r');
      await typist.waitFor('- /tmp/note'); // the status line: command mode
      typist.type('i');
      await typist.waitFor('I /tmp/note');
      for (const letter of 'hello') {
        typist.type(letter);
        await typist.waitFor(letter);
      }
      // What follows an escape at once would be taken for a function key's sequence.
      typist.type('\x1b');
      await typist.waitFor('- /tmp/note');
      typist.type(':wq\r');
      await typist.waitFor(PROMPT);
      expect(await typist.command('cat /tmp/note')).toBe('hello');
    });

    it('512 MiB that are not touched cost little', () => {
      expect(guest.machine.memoryInUse).toBeLessThan(140 * 2 ** 20);
    });

    it('leaving the shell powers it off', async () => {
      typist.type('exit\r');
      expect(await ended).toEqual({ reason: 'halted' });
    });
  });
}
