/**
 * INT 16h: keys out of the buffer. IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 16h".
 *
 * Not modelled: the typematic rate (AH=03h is accepted): the keyboard repeats as the host's does.
 */
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import type { CallFrame } from '../call-frame.ts';
import { type Call, type Next, SERVICE, type Services } from '../service.ts';
import { oldCode } from './key-table.ts';
import { KeyboardBuffer } from './keyboard-buffer.ts';

/** Answers: AH=03h and 0Ah, 10h–12h are there; the identification of a 101-key keyboard, translated. */
const FUNCTIONALITY = 0x30;
const IDENTIFICATION = 0x41ab;
/** Keys at once: a ring whose ends a program has moved may have none. */
const MOST_DROPPED = 128;

export function keyboardServices(board: Board): Services {
  const bda = new BiosData(board.memory);
  const buffer = new KeyboardBuffer(bda);

  /** The next key that the caller knows. What he does not know is thrown away. */
  const next = (isOld: boolean): number | undefined => {
    for (let dropped = 0; dropped < MOST_DROPPED; dropped++) {
      const keyCode = buffer.peek();
      if (keyCode === undefined || !isOld) return keyCode;
      const known = oldCode(keyCode);
      if (known !== undefined) return known;
      buffer.drop();
    }
    return undefined;
  };

  const read = (frame: CallFrame): Next => {
    const keyCode = next(frame.ah === 0x00);
    if (keyCode === undefined) return 'halt';
    buffer.drop();
    frame.ax = keyCode;
    return undefined;
  };

  const look = (frame: CallFrame): undefined => {
    const keyCode = next(frame.ah === 0x01);
    frame.zero = keyCode === undefined;
    if (keyCode !== undefined) frame.ax = keyCode;
  };

  /** AH=12h: in AH, what is down on either side. */
  const shiftStates = (frame: CallFrame): undefined => {
    frame.al = bda.byte(BDA.KEYBOARD_FLAGS);
    const [down, extended] = [bda.byte(BDA.KEYBOARD_FLAGS_2), bda.byte(BDA.KEYBOARD_FLAGS_3)];
    const systemRequest = (down & 4) << 5;
    frame.ah = (down & 0x73) | (extended & 0x0c) | systemRequest;
  };

  const service = ({ frame }: Call): Next => {
    switch (frame.ah) {
      case 0x00:
      case 0x10:
        return read(frame);
      case 0x01:
      case 0x11:
        return look(frame);
      case 0x02:
        frame.al = bda.byte(BDA.KEYBOARD_FLAGS);
        return undefined;
      case 0x05:
        frame.al = buffer.put(frame.cx) ? 0 : 1;
        return undefined;
      case 0x09:
        frame.al = FUNCTIONALITY;
        return undefined;
      case 0x0a:
        frame.bx = IDENTIFICATION;
        return undefined;
      case 0x12:
        return shiftStates(frame);
      default:
        return undefined;
    }
  };
  return { [SERVICE.KEYBOARD]: service };
}
