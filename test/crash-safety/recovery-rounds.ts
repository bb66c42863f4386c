/**
 * A guest that counts on its disk and in memory, and says so when the two differ; its emulator is killed at any moment, and
 * `vetro recover` goes on.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bootImage, FLOPPY_SIZE } from '../support/bios-machine.ts';
import type { RunningVetro, Vetro } from '../support/run-vetro.ts';

/** In ms. */
export const INTERVAL = 500;

/** By tick of the timer: reads the count, compares it, adds 1, writes it in two places, prints it as four hexadecimal digits. */
const COUNTS = `
  sti
  again:
    hlt
    mov ah, 2
    mov cx, 8
    call transfer
    mov ax, [0x6000]
    cmp ax, [0x8000]
    jne bad
    mov ah, 2
    mov cx, [0x6002]
    inc cx
    call transfer
    mov ax, [0x6000]
    cmp ax, [0x8000]
    jne bad
    inc word [0x6000]
    mov ax, [0x6000]
    mov [0x8000], ax
    mov ah, 3
    mov cx, 8
    call transfer
    mov ax, [0x6000]
    and ax, 31
    add ax, 16
    mov [0x6002], ax
    mov cx, ax
    inc cx
    mov ah, 3
    call transfer
    mov dx, [0x6000]
    call number
    jmp again
  bad:
    mov al, 'B'
    call put
    mov al, 10
    call put
    jmp again
  number:
    mov cx, 4
  digit:
    rol dx, 4
    mov al, dl
    and al, 15
    cmp al, 10
    jb decimal
    add al, 7
  decimal:
    add al, '0'
    call put
    loop digit
    mov al, 10
  put:
    push dx
    push ax
    mov dx, 0x3fd
  full:
    in al, dx
    test al, 0x20
    jz full
    pop ax
    mov dx, 0x3f8
    out dx, al
    pop dx
    ret
  transfer:
    mov al, 1
    xor bx, bx
    mov es, bx
    mov bx, 0x8000
    mov dx, 0x0080
    int 0x13
    ret`;

export interface RecoveryRound {
  /** What was wrong: lines. */
  readonly problems: readonly string[];
  /** Of what the guest had done, in ms of the wall clock, what it had to do again. */
  readonly lost: number;
}

type Kind = 'through' | 'overlay' | 'discard';

export class RecoveredGuest {
  readonly #vetro: Vetro;
  readonly #folder: string;
  readonly #words: readonly string[];
  /** When it said each number first, in ms. */
  readonly #said = new Map<number, number>();
  #round = 0;

  /** @param folder for its files: must not exist yet */
  constructor(vetro: Vetro, folder: string, kind: Kind) {
    this.#vetro = vetro;
    this.#folder = folder;
    mkdirSync(folder);
    writeFileSync(join(folder, 'f.img'), bootImage(COUNTS, FLOPPY_SIZE));
    writeFileSync(join(folder, 'd.img'), new Uint8Array(2 ** 20));
    const how = { through: ',write=through', overlay: `,overlay=${join(folder, 'o.qcow2')}`, discard: '' }[kind];
    this.#words = ['--floppy', `file=${join(folder, 'f.img')}`, '--disk', `file=${join(folder, 'd.img')}${how}`];
  }

  /** Runs it, or recovers it, for `ms` behind its first word and its first checkpoint, and kills it then. */
  async round(ms: number): Promise<RecoveryRound> {
    const store = join(this.#folder, 's');
    const first = this.#round++ === 0;
    const words = first
      ? [
          'run',
          '--boot',
          'floppy',
          '--memory',
          '2',
          '--clock',
          'host',
          ...this.#words,
          '--checkpoint',
          `${store},every=${INTERVAL}ms`,
        ]
      : ['recover', store, '--trust'];
    const running = this.#vetro.start(words);
    const problems: string[] = [];
    let lost = 0;
    const numbers: number[] = [];
    let seen = 0;
    const look = (): void => {
      const lines = running.stdout.split('\n');
      for (const line of lines.slice(seen, -1)) {
        const text = line.trim();
        if (!/^[0-9A-F]{4}$/.test(text)) problems.push(`the guest said: ${text}`);
        else numbers.push(Number.parseInt(text, 16));
        const last = numbers.at(-1);
        if (last !== undefined && !this.#said.has(last)) this.#said.set(last, performance.now());
      }
      seen = lines.length - 1;
    };
    const until = async (condition: () => boolean): Promise<void> => {
      for (const start = performance.now(); !condition(); await delay(2)) {
        look();
        if (performance.now() - start > 120_000 || running.child.exitCode !== null) {
          problems.push(`it did not get on: ${running.stderr}`);
          return;
        }
      }
    };
    const killedAt = Math.max(0, ...this.#said.values());
    const before = Math.max(0, ...this.#said.keys());
    await until(() => numbers.length > 0);
    const begin = numbers[0];
    if (!first && begin !== undefined) {
      if (begin > before + 1) problems.push(`it went on with ${begin} behind ${before}`);
      lost = Math.max(0, killedAt - (this.#said.get(begin - 1) ?? killedAt));
      // What is done again is said again.
      for (const number of [...this.#said.keys()]) if (number > begin) this.#said.delete(number);
    }
    if (first) await until(() => checkpointsOf(store) > 0);
    const end = performance.now() + ms;
    await until(() => performance.now() > end);
    await kill(running);
    look();
    if (numbers.some((number, index) => index > 0 && number !== numbers[index - 1] + 1))
      problems.push(`it counted ${numbers.join(' ')}`);
    if (running.stderr.includes('passed over')) problems.push(running.stderr);
    return { problems, lost };
  }
}

async function kill(running: RunningVetro): Promise<void> {
  await running.signal('SIGKILL');
}

function checkpointsOf(store: string): number {
  try {
    return readdirSync(join(store, 'snapshots')).filter((name) => !name.endsWith('.partial')).length;
  } catch {
    return 0;
  }
}
