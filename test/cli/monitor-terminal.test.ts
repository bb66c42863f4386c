/** The monitor on a terminal: whose Ctrl-C and Ctrl-D are whose. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/isa/assemble.ts';
import { Typist } from '../support/debian.ts';
import { buildVetro, type Vetro } from '../support/run-vetro.ts';
import { hasScript, RESTORED, Terminal } from '../support/terminal.ts';

/** Sends back each byte it receives, in brackets; `!` ends it. */
const { bytes, labels } = assemble(`
org 0x7c00
bits 16
start: mov dx, 0x3fb
       mov al, 3
       out dx, al
       mov al, '>'
       call send
wait:  mov dx, 0x3fd
       in al, dx
       test al, 1
       jz wait
       mov dx, 0x3f8
       in al, dx
got:   cmp al, '!'
       je over
       mov bl, al
       mov al, '['
       call send
       mov al, bl
       call send
       mov al, ']'
       call send
       jmp wait
send:  mov dx, 0x3f8
       out dx, al
       ret
over:  cli
       hlt`);
const GOT = labels.get('got')!.toString(16);

const [CTRL_A, CTRL_C, CTRL_D] = ['\x01', '\x03', '\x04'];
const PROMPT = '(vetro) ';
const TIMEOUT = 60_000;

describe.skipIf(!hasScript)(
  `U1: the monitor on a terminal${hasScript ? '' : ' (the program script is missing)'}`,
  () => {
    let vetro: Vetro;
    let folder: string;
    let terminal: Terminal;
    let typist: Typist;
    const see = (text: string | RegExp) => typist.waitFor(text, TIMEOUT);
    /** Types a line at the monitor's prompt. @returns the answer, up to the next prompt */
    const say = async (line: string) => {
      typist.type(`${line}\r`);
      await see('\n'); // the echo
      return see(PROMPT);
    };

    beforeAll(async () => {
      vetro = await buildVetro();
      folder = mkdtempSync(join(tmpdir(), 'vetro-monitor-'));
      writeFileSync(join(folder, 'echo.img'), bytes);
      terminal = new Terminal([...vetro.command, 'run', join(folder, 'echo.img'), '--no-reboot']);
      typist = new Typist(terminal);
      await see('>');
    });
    afterAll(() => {
      terminal.kill();
      vetro.dispose();
      rmSync(folder, { recursive: true, force: true });
    });

    it('keys that come together with Ctrl-A n are for the guest that was in front', async () => {
      const two = new Terminal([...vetro.command, 'run', join(folder, 'echo.img'), '--count', '2']);
      try {
        const keys = new Typist(two);
        await keys.waitFor('>', TIMEOUT);
        keys.type(`a${CTRL_A}n`);
        await keys.waitFor('vm2 is in front', TIMEOUT);
        keys.type('b');
        expect(await keys.waitFor('[b]', TIMEOUT)).not.toContain('[a]');
        keys.type(`${CTRL_A}n`);
        await keys.waitFor('vm1 is in front', TIMEOUT);
        await keys.waitFor('[a]', TIMEOUT);
      } finally {
        two.kill();
      }
    });

    it('opens with Ctrl-A c, and a wrong line does it no harm', async () => {
      typist.type('a');
      await see('[a]');
      typist.type(`${CTRL_A}c`);
      await see(PROMPT);
      expect(await say('m 1 -5')).toContain('"-5" is not a count');
      expect(await say('u 7c00 -1')).toContain('"-1" is not a count');
      expect(await say('u 7c00 1')).toContain('mov dx, 0x3fb');
    });

    it('Ctrl-C drops what is typed; at an empty prompt it gives a new one', async () => {
      typist.type(`frob${CTRL_C}`);
      await see('^C');
      await see(PROMPT);
      typist.type(CTRL_C);
      await see('^C');
      await see(PROMPT);
      expect(await say('frob')).toContain('"frob" is no command');
    });

    it('Ctrl-C interrupts a long s, and a g', async () => {
      for (const command of ['s 99999999999', 'g']) {
        typist.type(`${command}\r`);
        await see('instructions; Ctrl-C interrupts');
        typist.type(CTRL_C);
        expect(await see(PROMPT)).toMatch(/interrupted after [\d,]+ instructions/);
      }
    });

    it('c gives the terminal back to the guest, a breakpoint brings the monitor up again', async () => {
      expect(await say(`b ${GOT}`)).toContain(`1  break at 0000${GOT}`);
      typist.type('c\r');
      await see('guest goes on');
      typist.type('b');
      await see('breakpoint 1');
      await see(PROMPT);
      await say('d');
    });

    it('Ctrl-D goes back to the guest as c does; there Ctrl-C and Ctrl-D are the guest’s', async () => {
      typist.type(CTRL_D);
      await see('guest goes on');
      await see('[b]');
      typist.type(CTRL_C);
      await see(`[${CTRL_C}]`);
      typist.type(CTRL_D);
      await see(`[${CTRL_D}]`);
    });

    it('p leaves it paused; a guest that stops in the monitor ends it, and gives the terminal back', async () => {
      typist.type(`${CTRL_A}c`);
      await see(PROMPT);
      typist.type('p\r');
      await see('guest stays paused');
      typist.type(`!${CTRL_A}c`);
      await see(PROMPT);
      typist.type('g\r');
      await see(RESTORED);
      expect(await terminal.ended).toBe(0);
    });
  },
);
