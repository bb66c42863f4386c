/**
 * A CD-ROM drive: the PACKET feature set of ATA/ATAPI-6 (T13/1410D), clauses 8 and 9.8; its commands are those of MMC-4.
 * A disc is a read-only medium of 2048-byte blocks, or there is none.
 *
 * Not modelled: audio, raw sectors and subchannels (READ CD gives user data only), changeable mode pages, overlapped and
 * queued commands, DVD structures and keys. The tray moves in no time.
 */
import type { Medium } from '../../bus/medium.ts';
import { POWER_CODE, POWER_COMMANDS } from './ata-commands.ts';
import { BLOCK, MEDIA_EVENT } from './cd-answers.ts';
import { type CdView, type PacketOutcome, performPacket } from './cd-commands.ts';
import { CHUNK, createDriveState, IdeDrive, type IdeDriveOptions, TIME } from './ide-drive.ts';
import { type DriveIdentity, IDENTIFY_LENGTH, identifyPacketDevice } from './identify-data.ts';
import { ERROR, REASON, REGISTER } from './registers.ts';
import { SENSE, type Sense } from './sense.ts';
import { chooseTransferMode, DEFAULT_TRANSFER_MODE, type TransferMode } from './transfer-mode.ts';

export const PACKET_LENGTH = 12;
const CHUNK_BLOCKS = CHUNK / BLOCK;
const COMMAND = {
  PACKET: 0xa0,
  IDENTIFY_PACKET_DEVICE: 0xa1,
  IDENTIFY_DEVICE: 0xec,
  SET_FEATURES: 0xef,
  READ_SECTORS: 0x20,
};
const SET_TRANSFER_MODE = 0x03;
/** Of the features register of PACKET. */
const PACKET_FEATURE = { DMA: 0x01, OVERLAPPED: 0x02 } as const;
/** A limit of FFFFh means FFFEh. */
const MOST_BYTES = 0xfffe;

export interface AtapiCdromOptions extends IdeDriveOptions {
  readonly medium?: Medium | undefined;
  readonly identity: DriveIdentity;
}

export class AtapiCdrom extends IdeDrive {
  readonly stateVersion = 1;
  readonly state = {
    ...createDriveState(),
    transferMode: DEFAULT_TRANSFER_MODE as TransferMode,
    /** How far a packet command has come: its packet, its data, its end; undefined: there is none. */
    stage: undefined as 'packet' | 'data' | 'end' | undefined,
    byDma: false,
    /** Bytes that the host takes at once. */
    limit: 0,
    /** Blocks that are still to be read. */
    reading: { lba: 0, remaining: 0 },
    /** What the command ends with: it stays for REQUEST SENSE, until the next command. */
    sense: SENSE.NONE as Sense,
    /** Unit attentions that the host has not heard of. */
    attentions: [] as Sense[],
    /** A disc was taken out for another: once, there is none. */
    swapped: false,
    tray: 'closed' as 'open' | 'closed',
    locked: false,
    mediaEvent: MEDIA_EVENT.NONE as number,
  };
  protected readonly isPacketDevice = true;
  readonly #identity: DriveIdentity;
  #medium: Medium | undefined;

  constructor({ medium, identity, ...options }: AtapiCdromOptions) {
    super(options);
    this.#identity = identity;
    this.#medium = medium;
    this.reset();
    this.resume();
  }

  /** Bytes of the disc in it; undefined if there is none. */
  get discSize(): number | undefined {
    return this.#medium?.size;
  }

  /** Puts a disc in, in place of one that is there, whatever the guest thinks of it. */
  insert(medium: Medium): void {
    const { state } = this;
    this.#cutOff();
    state.swapped = this.#medium !== undefined;
    this.#medium = medium;
    state.tray = 'closed';
    state.mediaEvent = MEDIA_EVENT.NEW_MEDIUM;
    this.#attend(SENSE.MEDIUM_MAY_HAVE_CHANGED);
  }

  /** Takes the disc out. If the guest has locked the drive, it is asked, and the answer is false, unless by force. */
  eject({ force = false } = {}): boolean {
    const { state } = this;
    if (state.locked && !force) {
      state.mediaEvent = MEDIA_EVENT.EJECT_REQUEST;
      return false;
    }
    this.#cutOff();
    if (this.#medium !== undefined) state.mediaEvent = MEDIA_EVENT.REMOVED;
    this.#medium = undefined;
    state.swapped = false;
    state.locked = false;
    return true;
  }

  /** In the tray, open or closed. */
  get hasDisc(): boolean {
    return this.#medium !== undefined;
  }

  /** What is in the drive. */
  get disc(): Medium | undefined {
    return this.#medium;
  }

  protected get medium(): Medium | undefined {
    return this.#medium;
  }

  protected afterReset(kind: 'hard' | 'soft'): void {
    const { state } = this;
    this.#forget();
    if (kind === 'soft') return;
    Object.assign(state, {
      byDma: false,
      limit: 0,
      transferMode: DEFAULT_TRANSFER_MODE,
      sense: SENSE.NONE,
      attentions: [SENSE.RESET_OCCURRED],
      swapped: false,
      tray: 'closed',
      locked: false,
      mediaEvent: this.#medium === undefined ? MEDIA_EVENT.NONE : MEDIA_EVENT.NEW_MEDIUM,
    });
  }

  protected execute(command: number): void {
    const { state } = this;
    this.#forget();
    const power = POWER_COMMANDS[command];
    if (power !== undefined) {
      // Whatever mode it is in, a packet wakes it.
      if (power === 'check') state.registers[REGISTER.COUNT] = POWER_CODE.active;
      return this.work(TIME.COMMAND);
    }
    switch (command) {
      case COMMAND.PACKET:
        return this.#beginPacket();
      case COMMAND.IDENTIFY_PACKET_DEVICE:
        this.setBuffer(identifyPacketDevice(this.#identity, state.transferMode));
        return this.work(TIME.COMMAND);
      case COMMAND.IDENTIFY_DEVICE:
      case COMMAND.READ_SECTORS:
        return this.failWithSignature();
      case COMMAND.SET_FEATURES:
        return this.#setFeatures();
      default:
        return this.fail(ERROR.ABRT);
    }
  }

  protected arrived({ failed }: { readonly failed: boolean }): void {
    const { state } = this;
    if (state.stage === undefined) {
      if (state.buffer.length > 0) this.moveByPio('in', IDENTIFY_LENGTH);
      else this.finish();
      return;
    }
    if (failed) state.sense = SENSE.UNRECOVERED_READ_ERROR;
    if (failed || state.stage === 'end') this.#endPacket();
    else this.#give();
  }

  protected moved(): void {
    const { state } = this;
    if (state.stage === undefined) this.finish({ interrupt: false });
    else if (state.stage === 'packet') this.#perform(state.buffer.slice(0, PACKET_LENGTH));
    else if (state.position < state.buffer.length) this.work(TIME.PER_BYTE * state.limit);
    else if (state.reading.remaining > 0) this.#read();
    else if (state.byDma) this.#endPacket();
    else this.#awaitEnd(TIME.COMMAND);
  }

  #setFeatures(): void {
    const { state } = this;
    const { registers } = state;
    const mode =
      registers[REGISTER.FEATURES] === SET_TRANSFER_MODE
        ? chooseTransferMode(state.transferMode, registers[REGISTER.COUNT])
        : undefined;
    if (mode === undefined) return this.fail(ERROR.ABRT);
    state.transferMode = mode;
    this.work(TIME.COMMAND);
  }

  // Packets

  #beginPacket(): void {
    const { state } = this;
    const features = state.registers[REGISTER.FEATURES];
    if (features & PACKET_FEATURE.OVERLAPPED) return this.fail(ERROR.ABRT);
    state.byDma = (features & PACKET_FEATURE.DMA) !== 0;
    state.limit = Math.min(state.registers[REGISTER.LBA_MID] + 0x100 * state.registers[REGISTER.LBA_HIGH], MOST_BYTES);
    state.stage = 'packet';
    state.registers[REGISTER.COUNT] = REASON.CD;
    this.setBuffer(new Uint8Array(PACKET_LENGTH));
    // It is ready at once, and says so by DRQ alone.
    this.moveByPio('out', PACKET_LENGTH, { interrupt: false });
  }

  #perform(packet: Uint8Array): void {
    const { state } = this;
    this.#take(performPacket(packet, this.#view()));
    const hasData = state.buffer.length > 0 || state.reading.remaining > 0;
    if (hasData && !state.byDma && state.limit === 0) {
      this.#forget();
      return this.fail(ERROR.ABRT);
    }
    state.stage = 'data';
    if (state.reading.remaining > 0) this.#read(TIME.ACCESS);
    else if (hasData) this.work(TIME.COMMAND);
    else this.#awaitEnd(TIME.COMMAND);
  }

  #view(): CdView {
    const { state } = this;
    const { sense, attentions, swapped, tray, locked, mediaEvent } = state;
    const identity = this.#identity;
    const loaded = this.#medium !== undefined;
    const blocks = this.#medium && tray === 'closed' ? Math.floor(this.#medium.size / BLOCK) : undefined;
    return { identity, blocks, loaded, sense, attentions, swapped, tray, locked, mediaEvent };
  }

  #take({ data, read, sense = SENSE.NONE, changes = {} }: PacketOutcome): void {
    const { state } = this;
    Object.assign(state, changes, { sense });
    state.reading = read ?? { lba: 0, remaining: 0 };
    this.setBuffer(data ?? new Uint8Array(0));
  }

  #read(access = 0): void {
    const { reading } = this.state;
    const blocks = Math.min(reading.remaining, CHUNK_BLOCKS);
    const request = { kind: 'read', offset: reading.lba * BLOCK, length: blocks * BLOCK } as const;
    reading.lba += blocks;
    reading.remaining -= blocks;
    this.work(access + TIME.PER_BYTE * request.length, request);
  }

  /** The next block of data goes to the host. */
  #give(): void {
    const { state } = this;
    const { registers, buffer, position } = state;
    registers[REGISTER.COUNT] = REASON.IO;
    if (state.byDma) return this.requestDma('in');
    const rest = buffer.length - position;
    // Only the last block may be of an odd length.
    const length = rest > state.limit ? Math.max(state.limit & ~1, 1) : rest;
    registers[REGISTER.LBA_MID] = length;
    registers[REGISTER.LBA_HIGH] = length >>> 8;
    this.moveByPio('in', length);
  }

  #awaitEnd(duration: number): void {
    this.state.stage = 'end';
    this.setBuffer(new Uint8Array(0));
    this.work(duration);
  }

  #endPacket(): void {
    const { state } = this;
    state.registers[REGISTER.COUNT] = REASON.CD | REASON.IO;
    this.#forget();
    const { key } = state.sense;
    if (key === SENSE.NONE.key) this.finish();
    else this.fail((key << 4) | ERROR.ABRT);
  }

  #forget(): void {
    this.state.stage = undefined;
    this.state.reading = { lba: 0, remaining: 0 };
  }

  /** A command that reads ends with what has been asked of the old disc. */
  #cutOff(): void {
    const { reading } = this.state;
    if (reading.remaining === 0) return;
    reading.remaining = 0;
    this.state.sense = SENSE.MEDIUM_MAY_HAVE_CHANGED;
  }

  #attend(attention: Sense): void {
    const { state } = this;
    if (!state.attentions.some(({ code }) => code === attention.code)) state.attentions.push(attention);
  }
}
