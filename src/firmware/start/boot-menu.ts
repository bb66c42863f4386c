/**
 * The menu before booting: F12, struck while the machine starts, asks from which drive. Nobody has to wait for it: the BIOS
 * looks for the key only where one has been struck, or for as long as the machine's owner wants.
 */
import { BiosData } from '../bios-data.ts';
import type { Board, DriveKind } from '../board.ts';
import { KeyboardBuffer } from '../keyboard/keyboard-buffer.ts';
import { type Call, type Next, sleep } from '../service.ts';
import type { TextScreen } from '../video/text-screen.ts';

const KEYBOARD_STATUS = 0x64;
const OUTPUT_FULL = 0x01;
const F12 = 0x8600;
const ESCAPE = 0x1b;
const NS_PER_MILLISECOND = 1_000_000;
/** Guest time for a key that is on its way, in ms: press and release, with their prefixes. */
const KEY_TIME = 10;
/** How often the buffer is looked at; the keyboard's interrupt ends each sleep. */
const LOOK = 2 * NS_PER_MILLISECOND;

export class BootMenu {
  readonly #board: Board;
  readonly #screen: TextScreen;
  readonly #buffer: KeyboardBuffer;

  constructor(board: Board, screen: TextScreen) {
    this.#board = board;
    this.#screen = screen;
    this.#buffer = new KeyboardBuffer(new BiosData(board.memory));
  }

  /** Before the first drive is tried. @returns what to do until the user has chosen; undefined: go on, with the choice */
  ask(call: Call, kinds: readonly DriveKind[], choose: (first: DriveKind) => void): Next {
    const { clock } = this.#board;
    switch (call.memo?.menu) {
      case undefined: {
        const wait = this.#wait;
        if (wait === 0) return undefined;
        if (this.#board.menuWait > 0) this.#screen.print('F12: choose what to boot\r\n');
        call.memo = { menu: 'wait', due: clock.now + wait * NS_PER_MILLISECOND };
        break;
      }
      case 'wait':
        break;
      default:
        return this.#choice(kinds, choose);
    }
    if (this.#buffer.peek() === F12) {
      this.#buffer.drop();
      this.#show(kinds);
      call.memo = { menu: 'shown' };
      return 'halt';
    }
    const due = call.memo.due as number;
    return clock.now < due ? sleep({ due: Math.min(due, clock.now + LOOK) }) : undefined;
  }

  /** In ms. */
  get #wait(): number {
    const isStruck =
      (this.#board.ports.read(KEYBOARD_STATUS, 1) & OUTPUT_FULL) !== 0 || this.#buffer.peek() !== undefined;
    return Math.max(this.#board.menuWait, isStruck ? KEY_TIME : 0);
  }

  #show(kinds: readonly DriveKind[]): void {
    this.#screen.print('\r\nBoot from:\r\n\r\n');
    for (const [index, kind] of kinds.entries()) this.#screen.print(`  ${index + 1}  ${DRIVE_NAMES[kind]}\r\n`);
    this.#screen.print('\r\n  Esc  as usual\r\n\r\n');
  }

  #choice(kinds: readonly DriveKind[], choose: (first: DriveKind) => void): Next {
    for (let keyCode = this.#buffer.peek(); keyCode !== undefined; keyCode = this.#buffer.peek()) {
      this.#buffer.drop();
      const character = keyCode & 0xff;
      if (character === ESCAPE) return undefined;
      const kind = kinds[character - '1'.charCodeAt(0)];
      if (kind === undefined) continue;
      choose(kind);
      return undefined;
    }
    return 'halt';
  }
}

export const DRIVE_NAMES: Readonly<Record<DriveKind, string>> = { floppy: 'Floppy', disk: 'Hard disk', cd: 'CD' };
