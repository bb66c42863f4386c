/**
 * INT 19h and INT 18h: the first sector of a medium is read to 0000:7C00 and started, drive after drive, until one has
 * something that starts. BIOS Boot Specification 1.01: what cannot go on calls INT 18h, and the next drive gets its turn.
 */
import type { BiosState } from './bios-state.ts';
import type { Board, DriveKind } from './board.ts';
import { type CallFrame, FLAG } from './call-frame.ts';
import { ROM_SEGMENT } from './rom.ts';
import { ROM_LABELS } from './rom-image.ts';
import { type Call, type Next, SERVICE, type Service, type Services } from './service.ts';
import { TextScreen } from './text-screen.ts';
import type { Transfers } from './transfers.ts';

const BOOT_ADDRESS = 0x7c00;
const SECTOR = 512;
const SIGNATURE = 0xaa55;
const FIRST_DRIVE: Readonly<Record<DriveKind, number>> = { floppy: 0x00, disk: 0x80, cd: 0xe0 };
const NAMES: Readonly<Record<DriveKind, string>> = { floppy: 'Floppy', disk: 'Hard disk', cd: 'CD' };

export function bootServices(board: Board, { boot }: Pick<BiosState, 'boot'>, transfers: Transfers): Services {
  const screen = new TextScreen(board);
  // The first drive of each kind, as PCs do.
  const candidates = board.bootOrder;

  const give = (call: Call, kind: DriveKind, reason: string): Next => {
    boot.tried.push(`${NAMES[kind]}: ${reason}`);
    screen.print(`${reason}\r\n`);
    return tryNext(call);
  };

  function tryNext(call: Call): Next {
    const kind = candidates[boot.next];
    if (kind === undefined) return giveUp(call);
    boot.next++;
    screen.print(`${NAMES[kind]}: `);
    const medium = board.drives[kind][0]?.medium;
    if (board.drives[kind].length === 0) return give(call, kind, 'there is none');
    if (medium === undefined) return give(call, kind, 'the drive is empty');
    if (kind === 'cd') return give(call, kind, 'it cannot be booted');
    if (medium.size < SECTOR) return give(call, kind, 'it holds no whole sector');
    return transfers.begin(call, { kind, index: 0, offset: 0, length: SECTOR });
  }

  function giveUp(call: Call): Next {
    screen.print('\r\nNothing to boot from.\r\n');
    board.onNothingToBoot(boot.tried);
    call.memo = { ended: true };
    return 'halt';
  }

  const start: Service = (call) => {
    const { memo } = call;
    if (memo?.ended) return 'halt';
    if (memo === undefined) {
      if (!boot.goesOn) {
        boot.next = 0;
        boot.tried = [];
      }
      boot.goesOn = false;
      return tryNext(call);
    }
    const result = transfers.result(call);
    if (result === undefined) return 'spin';
    const kind = memo.kind as DriveKind;
    const { bytes } = result;
    if (bytes === undefined) return give(call, kind, 'its first sector cannot be read');
    if (signatureOf(bytes) !== SIGNATURE) return give(call, kind, 'its first sector is not one to boot from');
    screen.print('booting\r\n');
    board.physical.copyIn(BOOT_ADDRESS, bytes);
    enter(call.frame, { segment: 0, offset: BOOT_ADDRESS, drive: FIRST_DRIVE[kind] });
    return undefined;
  };

  const goOn: Service = ({ frame }) => {
    boot.goesOn = true;
    frame.cs = ROM_SEGMENT;
    frame.ip = ROM_LABELS.enter_boot_strap;
    return undefined;
  };
  return { [SERVICE.NO_BOOT]: goOn, [SERVICE.BOOT_STRAP]: start };
}

const signatureOf = (sector: Uint8Array): number => sector[SECTOR - 2] | (sector[SECTOR - 1] << 8);

/** What the service "returns" to. */
function enter(frame: CallFrame, to: { segment: number; offset: number; drive: number }): void {
  for (const register of ['ebx', 'ecx', 'esi', 'edi', 'ebp', 'ds', 'es'] as const) frame[register] = 0;
  frame.eax = SIGNATURE;
  frame.edx = to.drive;
  frame.cs = to.segment;
  frame.ip = to.offset;
  frame.flags = FLAG.INTERRUPT;
}
