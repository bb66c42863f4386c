/**
 * INT 14h (serial ports), 17h (printers) and 05h (print the screen). IBM PS/2 and PC BIOS Interface Technical Reference.
 *
 * Not modelled: printers: no port has one, and each call ends as with a printer that does not answer.
 */
import { bit } from '../../base/bits.ts';
import { BDA, BiosData } from '../bios-data.ts';
import type { Board } from '../board.ts';
import { type Call, type Next, SERVICE, type Services, sleep } from '../service.ts';

const UART = { DATA: 0, LINE_CONTROL: 3, MODEM_CONTROL: 4, LINE_STATUS: 5, MODEM_STATUS: 6 } as const;
const LINE_STATUS = { DATA_READY: 0, CAN_SEND: 5 } as const;
const DIVISOR_ACCESS = 0x80;
const DTR_RTS = 0x03;
const TIMEOUT = 0x80;
/** 115200 / baud, by AL's bits 7–5: 110, 150, 300 … 9600. */
const DIVISORS = [1047, 768, 384, 192, 96, 48, 24, 12] as const;
const NS_PER_SECOND = 1_000_000_000;
/** How often the port is looked at, in ns: its interrupt belongs to others. */
const POLL = 1_000_000;
const PORTS = 4;
const PRINTER_TIMEOUT = 0x01;
const PRINT_ERROR = 0xff;

export function serialServices(board: Board): Services {
  const bda = new BiosData(board.memory);
  const { ports, clock } = board;

  const serial = (call: Call): Next => {
    const { frame } = call;
    const port = frame.dx < PORTS ? bda.word(BDA.SERIAL_PORTS + 2 * frame.dx) : 0;
    if (port === 0) return undefined;
    const status = () => ports.read(port + UART.LINE_STATUS, 1);
    const seconds = bda.byte(BDA.SERIAL_TIMEOUT + frame.dx);
    const ready = frame.ah === 1 ? LINE_STATUS.CAN_SEND : LINE_STATUS.DATA_READY;
    switch (frame.ah) {
      case 0x00:
        initialize(port, frame.al);
        break;
      case 0x01:
      case 0x02: {
        ports.write(port + UART.MODEM_CONTROL, ports.read(port + UART.MODEM_CONTROL, 1) | DTR_RTS, 1);
        call.memo ??= { due: clock.now + seconds * NS_PER_SECOND };
        if (!bit(status(), ready)) {
          if (clock.now < (call.memo.due as number))
            return sleep({ due: Math.min(clock.now + POLL, call.memo.due as number) });
          frame.ah = status() | TIMEOUT;
          return undefined;
        }
        if (frame.ah === 0x01) ports.write(port, frame.al, 1);
        // Errors are those of the byte that is read.
        const errors = status() & 0x1e;
        if (frame.ah === 0x02) frame.al = ports.read(port, 1);
        frame.ah = frame.ah === 0x02 ? errors : status();
        return undefined;
      }
      case 0x03:
        break;
      default:
        return undefined;
    }
    frame.al = ports.read(port + UART.MODEM_STATUS, 1);
    frame.ah = status();
    return undefined;
  };

  /** Bits 4–0 are those of the line control register: parity, stop bits, length. */
  function initialize(port: number, parameters: number): void {
    const divisor = DIVISORS[parameters >>> 5];
    ports.write(port + UART.LINE_CONTROL, DIVISOR_ACCESS, 1);
    ports.write(port, divisor & 0xff, 1);
    ports.write(port + 1, divisor >>> 8, 1);
    ports.write(port + UART.LINE_CONTROL, parameters & 0x1f, 1);
    ports.write(port + 1, 0, 1);
  }

  return {
    [SERVICE.SERIAL]: serial,
    [SERVICE.PRINTER]: ({ frame }) => {
      frame.ah = PRINTER_TIMEOUT;
      return undefined;
    },
    [SERVICE.PRINT_SCREEN]: () => {
      bda.setByte(BDA.PRINT_SCREEN, PRINT_ERROR);
      return undefined;
    },
  };
}
