/**
 * INT 19h and INT 18h: the first sector of a medium is read to 0000:7C00 and started, drive after drive, until one has
 * something that starts. BIOS Boot Specification 1.01: what cannot go on calls INT 18h, and the next drive gets its turn.
 */
import type { BiosState } from '../bios-state.ts';
import type { Board, DriveKind } from '../board.ts';
import { BOOT_RECORD_SECTOR, catalogBlock, END_OF_IMAGES, type InitialEntry, initialEntry } from '../disk/el-torito.ts';
import { type BootEntry, beginEmulation, endEmulation, enter, imageEntry } from '../disk/emulation.ts';
import type { Transfers } from '../disk/transfers.ts';
import { CD_SECTOR_SIZE, FIRST_DRIVE } from '../disk/units.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { ROM_LABELS } from '../rom-image.ts';
import { type Call, type Memo, type Next, SERVICE, type Service, type Services, sleep } from '../service.ts';
import { TextScreen } from '../video/text-screen.ts';
import { BootMenu, DRIVE_NAMES } from './boot-menu.ts';

const BOOT_ADDRESS = 0x7c00;
const SECTOR = 512;
const SIGNATURE = 0xaa55;

export function bootServices(board: Board, state: BiosState, transfers: Transfers): Services {
  const screen = new TextScreen(board);
  const menu = new BootMenu(board, screen);
  /** The first drive of each kind, as PCs do; what the user has chosen comes before all others. */
  const candidates = () =>
    state.boot.chosen === null
      ? board.bootOrder
      : [state.boot.chosen, ...board.bootOrder.filter((kind) => kind !== state.boot.chosen)];

  const refuse = (call: Call, kind: DriveKind, reason: string): Next => {
    state.boot.tried.push(`${DRIVE_NAMES[kind]}: ${reason}`);
    screen.print(`${reason}\r\n`);
    return tryNext(call);
  };

  function tryNext(call: Call): Next {
    const kind = candidates()[state.boot.next];
    if (kind === undefined) return giveUp(call);
    state.boot.next++;
    screen.print(`${DRIVE_NAMES[kind]}: `);
    const medium = board.drives[kind][0]?.medium;
    if (board.drives[kind].length === 0) return refuse(call, kind, 'there is none');
    if (medium === undefined) return refuse(call, kind, 'the drive is empty');
    if (medium.size < SECTOR) return refuse(call, kind, 'it holds no whole sector');
    return kind === 'cd'
      ? readCd(call, BOOT_RECORD_SECTOR, CD_SECTOR_SIZE, { step: 'record' })
      : transfers.begin(call, { kind, index: 0, offset: 0, length: SECTOR });
  }

  function giveUp(call: Call): Next {
    screen.print('\r\nNothing to boot from.\r\n');
    board.onNothingToBoot(state.boot.tried);
    call.memo = { ended: true };
    return 'halt';
  }

  function readCd(call: Call, block: number, length: number, more: Memo): Next {
    const offset = block * CD_SECTOR_SIZE;
    const size = board.drives.cd[0]?.medium?.size ?? 0;
    if (offset + length > size) return refuse(call, 'cd', 'what it names lies beyond its end');
    return transfers.begin(call, { kind: 'cd', index: 0, offset, length }, more);
  }

  /** Boot record, catalogue, image: "El Torito", section 2. */
  function continueWithCd(call: Call, memo: Memo, bytes: Uint8Array): Next {
    if (memo.step === 'record') {
      const catalog = catalogBlock(bytes);
      if (catalog === undefined) return refuse(call, 'cd', 'it is not one to boot from');
      return readCd(call, catalog, CD_SECTOR_SIZE, { step: 'catalog', catalog });
    }
    if (memo.step === 'catalog') {
      const entry = initialEntry(bytes);
      if (entry === undefined) return refuse(call, 'cd', 'its catalogue has nothing to boot');
      const room = END_OF_IMAGES - entry.loadSegment * 16;
      if (entry.count * SECTOR > room) return refuse(call, 'cd', 'what it boots is too large');
      return readCd(call, entry.lba, entry.count * SECTOR, { step: 'image', catalog: memo.catalog, ...entry });
    }
    const entry = memo as unknown as InitialEntry;
    const place = { cd: 0, catalog: memo.catalog as number };
    const emulation = beginEmulation(board, state, entry, { place, firstSector: bytes });
    board.physical.copyIn(entry.loadSegment * 16, bytes);
    return begin(call, imageEntry(emulation));
  }

  function begin(call: Call, to: BootEntry): undefined {
    screen.print('booting\r\n');
    enter(call.frame, to);
    return undefined;
  }

  const start: Service = (call) => {
    const { memo } = call;
    if (memo?.ended) return 'halt';
    if (memo === undefined) {
      if (state.emulation !== null) endEmulation(board, state);
      if (!state.boot.goesOn) {
        state.boot.next = 0;
        state.boot.tried = [];
      }
      state.boot.goesOn = false;
    }
    if (memo === undefined || memo.menu !== undefined) {
      const next =
        state.boot.next > 0 ? undefined : menu.ask(call, board.bootOrder, (kind) => (state.boot.chosen = kind));
      if (next !== undefined) return next;
      call.memo = undefined;
      return tryNext(call);
    }
    const result = transfers.result(call);
    if (result === undefined) return sleep(memo);
    const kind = memo.kind as DriveKind;
    const { bytes } = result;
    if (bytes === undefined) return refuse(call, kind, 'it cannot be read');
    if (kind === 'cd') return continueWithCd(call, memo, bytes);
    if (signatureOf(bytes) !== SIGNATURE) return refuse(call, kind, 'its first sector is not one to boot from');
    board.physical.copyIn(BOOT_ADDRESS, bytes);
    return begin(call, { segment: 0, offset: BOOT_ADDRESS, drive: FIRST_DRIVE[kind] });
  };

  const goOn: Service = ({ frame }) => {
    state.boot.goesOn = true;
    frame.cs = ROM_SEGMENT;
    frame.ip = ROM_LABELS.enter_boot_strap;
    return undefined;
  };
  return { [SERVICE.NO_BOOT]: goOn, [SERVICE.BOOT_STRAP]: start };
}

const signatureOf = (sector: Uint8Array): number => sector[SECTOR - 2] | (sector[SECTOR - 1] << 8);
