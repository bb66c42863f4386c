import { describe, expect, it } from 'vitest';
import type { AtapiCdrom } from '../../../../src/devices/ide/atapi-cdrom.ts';
import { awaitInterrupt, createIde, STATUS } from '../../../support/ide.ts';
import { BytesMedium, pattern } from '../../../support/media.ts';

const READY = STATUS.DRDY | STATUS.DSC;
const FAILED = READY | STATUS.ERR;
const BLOCK = 2048;
const BLOCKS = 400;
const REASON = { COMMAND: 1, TO_HOST: 2, END: 3 } as const;
const TEST_UNIT_READY = [0x00];
const TABLE = 0x1000;

/** A drive as device 0 of the secondary channel, its unit attention after power-on taken unless `attention`. */
function createCd({ disc = true, attention = false, blocks = BLOCKS } = {}) {
  const medium = disc ? new BytesMedium(pattern(blocks * BLOCK), { readOnly: true }) : undefined;
  const bench = createIde({ secondary: [{ cd: medium }, undefined] });
  const software = bench.secondary;
  const drive = bench.drives[1][0] as AtapiCdrom;
  /** Key, code and qualifier of the sense data. */
  const sense = () => {
    const { data } = software.packet([0x03, 0, 0, 0, 18]);
    return [data[2], data[12], data[13]];
  };
  const ready = () => software.packet(TEST_UNIT_READY).status;
  if (!attention) software.packet([0x03, 0, 0, 0, 18]);
  return { ...bench, ...{ medium, software, drive, sense, ready } };
}

const blocks = (lba: number, count: number) => pattern(BLOCKS * BLOCK).slice(lba * BLOCK, (lba + count) * BLOCK);
const read10 = (lba: number, count: number) =>
  [0x28, 0, lba >>> 24, lba >>> 16, lba >>> 8, lba, 0, count >>> 8, count, 0].map((byte) => byte & 0xff);
const text = (bytes: Uint8Array, first: number, last: number) =>
  String.fromCharCode(...bytes.subarray(first, last)).trimEnd();

describe('IDENTIFY', () => {
  it('IDENTIFY PACKET DEVICE', () => {
    const { software } = createCd();
    const { data, status } = software.read(0xa1, {});
    const words = new Uint16Array(data.buffer, 0, 256);
    expect(status).toBe(READY);
    expect(words[0]).toBe(0x85c0);
    expect(words[49]! & 0x0300).toBe(0x0300);
    expect([words[63], words[88]]).toEqual([0x0407, 0x003f]);
    expect(words[82]! & 0x0210).toBe(0x0210);
    expect(software.run(0xef, { features: 3, count: 0x42 })).toBe(READY);
    expect(new Uint16Array(software.read(0xa1, {}).data.buffer, 0, 256)[88]).toBe(0x043f);
  });

  it.each([0xec, 0x20])('%xh: abort, and the signature', (opcode) => {
    const { software } = createCd();
    software.command(opcode, { device: 0xa0, lba: 0x12_3456 });
    expect(software.altStatus).toBe(FAILED);
    expect([software.error, ...software.signature]).toEqual([0x04, 1, 1, 0x14, 0xeb]);
  });

  it('aborts commands of disks', () => {
    const { software } = createCd();
    for (const opcode of [0x00, 0x30, 0xc4, 0xc8, 0xe7, 0x91, 0xf8]) expect(software.run(opcode)).toBe(FAILED);
    expect(software.run(0xe5)).toBe(READY);
    expect(software.in(2)).toBe(0xff);
  });
});

describe('PACKET by PIO', () => {
  it('asks for the packet by DRQ, without an interrupt; then an interrupt a block and one at the end', () => {
    const bench = createCd();
    const { software, lines, ready } = bench;
    ready();
    const [, line] = lines;
    const before = line.rising.length;
    software.command(0xa0, { lba: 3000 * 0x100 });
    expect(software.altStatus).toBe(READY | STATUS.DRQ);
    expect(software.in(2) & 3).toBe(REASON.COMMAND);
    expect(line.rising.length).toBe(before);
    software.writeWords(Uint8Array.from([...read10(7, 3), 0, 0]));
    const parts: number[] = [];
    const data: number[] = [];
    for (;;) {
      awaitInterrupt(bench, 1);
      const status = software.status;
      if ((status & STATUS.DRQ) === 0) {
        expect(status).toBe(READY);
        break;
      }
      expect(software.in(2) & 3).toBe(REASON.TO_HOST);
      const length = software.in(4) + 0x100 * software.in(5);
      parts.push(length);
      data.push(...software.readWords(length));
    }
    expect(software.in(2) & 3).toBe(REASON.END);
    expect(parts).toEqual([3000, 3000, 144]);
    expect(Uint8Array.from(data)).toEqual(blocks(7, 3));
    expect(line.rising.length - before).toBe(4);
  });

  it('an odd limit is used as the even one below it, but for the last block', () => {
    const { software } = createCd();
    const { sizes, data } = software.packet(read10(3, 1), { limit: 999 });
    expect(sizes).toEqual([998, 998, 52]);
    expect(data).toEqual(blocks(3, 1));
    expect(software.packet([0x12, 0, 0, 0, 5], { limit: 0xffff })).toMatchObject({ sizes: [5], status: READY });
  });

  it('a limit of 0 aborts a command with data, and no other', () => {
    const { software, ready } = createCd();
    expect(software.packet(read10(0, 1), { limit: 0 })).toMatchObject({ status: FAILED, error: 0x04, sizes: [] });
    expect(software.packet([0x12, 0, 0, 0, 36], { limit: 0 }).status).toBe(FAILED);
    expect(software.packet(TEST_UNIT_READY, { limit: 0 }).status).toBe(READY);
    expect(ready()).toBe(READY);
  });

  it('overlap is aborted', () => {
    const { software } = createCd();
    expect(software.run(0xa0, { features: 2 })).toBe(FAILED);
  });

  it('many blocks are read in bounded chunks', () => {
    const { software, medium } = createCd();
    const { data, status } = software.packet(read10(10, 300), { limit: 32768 });
    expect(status).toBe(READY);
    expect(Buffer.compare(data, blocks(10, 300))).toBe(0);
    expect(medium!.largest).toBe(128 * 1024);
  });

  it('an unknown command: 5/20', () => {
    const { software, sense } = createCd();
    expect(software.packet([0xff])).toMatchObject({ status: FAILED, error: 0x54 });
    expect(sense()).toEqual([5, 0x20, 0]);
    expect(sense()).toEqual([0, 0, 0]);
  });
});

describe('PACKET by DMA', () => {
  it.each([
    ['READ(10)', read10(5, 2), blocks(5, 2)],
    ['a short reply (GET CONFIGURATION)', [0x46, 0, 0, 0, 0, 0, 0, 0, 8], Uint8Array.of(0, 0, 0, 72, 0, 0, 0, 8)],
  ])('%s', (_, cdb, expected) => {
    const { software, memory, lines, clock } = createCd();
    const before = lines[1].rising.length;
    memory.putTable(TABLE, [
      [0x2000, 100],
      [0x3000, 8192],
    ]);
    software.startDma(TABLE, 'to-memory', () => {
      software.command(0xa0, { features: 1 });
      software.settle();
      software.writeWords(Uint8Array.from({ length: 12 }, (_, index) => cdb[index] ?? 0));
    });
    clock.advance(1_000_000);
    expect(lines[1].rising.length - before).toBe(1);
    expect(software.masterStatus & 4).toBe(4);
    expect(software.status).toBe(READY);
    expect(software.in(2) & 3).toBe(REASON.END);
    const got = [...memory.bytes.subarray(0x2000, 0x2064), ...memory.bytes.subarray(0x3000, 0x5000)];
    expect(Uint8Array.from(got.slice(0, expected.length))).toEqual(expected);
  });

  it('an error interrupts, too', () => {
    const { software, memory, clock } = createCd();
    memory.putTable(TABLE, [[0x2000, 2048]]);
    software.startDma(TABLE, 'to-memory', () => {
      software.command(0xa0, { features: 1 });
      software.writeWords(Uint8Array.from([...read10(BLOCKS, 1), 0, 0]));
    });
    clock.advance(1_000_000);
    expect([software.masterStatus & 4, software.status, software.error]).toEqual([4, FAILED, 0x54]);
  });
});

describe('unit attention', () => {
  it('after power-on: blocks all but REQUEST SENSE, INQUIRY, GET CONFIGURATION and GET EVENT STATUS', () => {
    const { software, sense, ready } = createCd({ attention: true });
    expect(software.packet([0x12, 0, 0, 0, 36]).status).toBe(READY);
    expect(software.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).status).toBe(READY);
    expect(software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).status).toBe(READY);
    expect(software.packet([0x25])).toMatchObject({ status: FAILED, error: 0x64 });
    expect(sense()).toEqual([6, 0x29, 0]);
    expect(ready()).toBe(READY);
  });

  it('REQUEST SENSE clears it', () => {
    const { sense, ready } = createCd({ attention: true });
    expect(sense()).toEqual([6, 0x29, 0]);
    expect(ready()).toBe(READY);
  });

  it('a disc put in: 6/28; in place of another: 2/3A first', () => {
    const { drive, sense, ready, software } = createCd({ disc: false });
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([2, 0x3a, 1]);
    drive.insert(new BytesMedium(10 * BLOCK));
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([6, 0x28, 0]);
    expect(ready()).toBe(READY);
    drive.insert(new BytesMedium(20 * BLOCK));
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([2, 0x3a, 1]);
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([6, 0x28, 0]);
    expect([...software.packet([0x25]).data]).toEqual([0, 0, 0, 19, 0, 0, 8, 0]);
  });

  it('a thousand changes leave one attention', () => {
    const { drive } = createCd();
    for (let index = 0; index < 1000; index++) drive.insert(new BytesMedium(BLOCK));
    expect(drive.state.attentions).toHaveLength(1);
  });
});

describe('tray and lock', () => {
  it('START STOP UNIT ejects and loads', () => {
    const { software, sense, ready } = createCd();
    expect(software.packet([0x1b, 0, 0, 0, 2]).status).toBe(READY);
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([2, 0x3a, 2]);
    expect([...software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data]).toEqual([0, 6, 4, 0x10, 3, 1, 0, 0]);
    expect([...software.packet([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).data][1]).toBe(0x10);
    expect(software.packet([0x1b, 0, 0, 0, 3]).status).toBe(READY);
    expect([...software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    expect(sense()).toEqual([6, 0x28, 0]);
    expect(ready()).toBe(READY);
  });

  it('PREVENT ALLOW MEDIUM REMOVAL: neither guest nor user ejects; the guest is asked', () => {
    const { software, sense, drive, ready } = createCd();
    expect(software.packet([0x1e, 0, 0, 0, 1]).status).toBe(READY);
    expect(software.packet([0x1b, 0, 0, 0, 2]).status).toBe(FAILED);
    expect(sense()).toEqual([5, 0x53, 2]);
    expect(drive.eject()).toBe(false);
    expect(software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data[4]).toBe(1);
    expect(software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data[4]).toBe(0);
    expect(ready()).toBe(READY);
    expect(software.packet([0x1e, 0, 0, 0, 0]).status).toBe(READY);
    expect(drive.eject()).toBe(true);
    expect(ready()).toBe(FAILED);
    expect(sense()).toEqual([2, 0x3a, 1]);
    expect(software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data[4]).toBe(3);
  });

  it('by force it ejects; a read under way ends with an attention', () => {
    const { software, sense, drive } = createCd();
    software.packet([0x1e, 0, 0, 0, 1]);
    software.command(0xa0, { lba: 0xfffe * 0x100 });
    software.writeWords(Uint8Array.from([...read10(0, 300), 0, 0]));
    expect(drive.eject({ force: true })).toBe(true);
    while (software.settle() & STATUS.DRQ) software.readWords(software.in(4) + 0x100 * software.in(5));
    expect([software.status, software.error]).toEqual([FAILED, 0x64]);
    expect(sense()).toEqual([6, 0x28, 0]);
  });
});

describe('commands', () => {
  it('INQUIRY: a CD-ROM, removable, as long as it is asked for', () => {
    const { software } = createCd();
    const { data } = software.packet([0x12, 0, 0, 0, 96]);
    expect([...data.subarray(0, 5)]).toEqual([5, 0x80, 0, 0x21, 31]);
    expect([text(data, 8, 16), text(data, 16, 32), text(data, 32, 36), data.length]).toEqual([
      'VETRO',
      'CD-ROM',
      '1.0',
      36,
    ]);
    expect(software.packet([0x12, 0, 0, 0, 5]).data.length).toBe(5);
    expect(software.packet([0x12, 1, 0x80, 0, 36]).status).toBe(FAILED);
  });

  it('READ CAPACITY: the last block', () => {
    const { software } = createCd();
    expect([...software.packet([0x25]).data]).toEqual([0, 0, 1, 0x8f, 0, 0, 8, 0]);
  });

  it('READ(12), READ CD', () => {
    const { software, sense } = createCd();
    expect(software.packet([0xa8, 0, 0, 0, 0, 6, 0, 0, 0, 2]).data).toEqual(blocks(6, 2));
    expect(software.packet([0xbe, 0, 0, 0, 0, 6, 0, 0, 2, 0x10]).data).toEqual(blocks(6, 2));
    expect(software.packet([0xbe, 0x08, 0, 0, 0, 6, 0, 0, 1, 0x10]).data).toEqual(blocks(6, 1));
    expect(software.packet([0xbe, 0, 0, 0, 0, 6, 0, 0, 2, 0])).toMatchObject({ status: READY, sizes: [] });
    expect(software.packet([0xbe, 0, 0, 0, 0, 6, 0, 0, 2, 0xf8]).status).toBe(FAILED);
    expect(sense()).toEqual([5, 0x24, 0]);
  });

  it('beyond the end: 5/21; a count of 0 reads nothing', () => {
    const { software, sense } = createCd();
    for (const cdb of [
      read10(BLOCKS, 1),
      read10(BLOCKS - 1, 2),
      [0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]) {
      expect(software.packet(cdb)).toMatchObject({ status: FAILED, error: 0x54, sizes: [] });
      expect(sense()).toEqual([5, 0x21, 0]);
    }
    expect(software.packet(read10(3, 0))).toMatchObject({ status: READY, sizes: [] });
    expect(software.packet([0x2b, 0, 0, 0, 1, 0x8f]).status).toBe(READY);
    expect(software.altStatus & STATUS.DSC).toBe(STATUS.DSC);
    expect(software.packet([0x2b, 0, 0, 0, 1, 0x90]).status).toBe(FAILED);
  });

  it('a block that cannot be read: 3/11, told once', () => {
    const { software, sense, medium, errors } = createCd();
    medium!.bad.add(9 * BLOCK);
    expect(software.packet(read10(9, 1))).toMatchObject({ status: FAILED, error: 0x34 });
    expect(sense()).toEqual([3, 0x11, 0]);
    expect(software.packet(read10(9, 1)).status).toBe(FAILED);
    expect(errors).toEqual(['drive-1-0: I/O error at 18432']);
  });

  it('READ TOC: one data track and the lead-out', () => {
    const { software, sense } = createCd();
    const toc = (cdb: readonly number[]) => [...software.packet([0x43, ...cdb]).data];
    expect(toc([0, 0, 0, 0, 0, 0, 0, 100])).toEqual([
      ...[0, 18, 1, 1],
      ...[0, 0x14, 1, 0, 0, 0, 0, 0],
      ...[0, 0x14, 0xaa, 0, 0, 0, 1, 0x90],
    ]);
    // 400 + 150 frames: 0:07:25
    expect(toc([2, 0, 0, 0, 0, 0xaa, 0, 100])).toEqual([0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 7, 25]);
    expect(toc([0, 0, 0, 0, 0, 0, 0, 4])).toEqual([0, 18, 1, 1]);
    expect(toc([0, 1, 0, 0, 0, 0, 0, 100])).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    expect(toc([0, 0, 0, 0, 0, 0, 0, 100, 0x40])).toEqual(toc([0, 1, 0, 0, 0, 0, 0, 100])); // as SFF-8020i
    const raw = toc([2, 2, 0, 0, 0, 0, 0, 255]);
    expect(raw.slice(0, 4)).toEqual([0, 46, 1, 1]);
    expect([4, 15, 26, 37].map((at) => [raw[at + 3], ...raw.slice(at + 8, at + 11)])).toEqual([
      [0xa0, 1, 0, 0],
      [0xa1, 1, 0, 0],
      [0xa2, 0, 7, 25],
      [1, 0, 2, 0],
    ]);
    expect(software.packet([0x43, 0, 0, 0, 0, 0, 2, 0, 100]).status).toBe(FAILED);
    expect(sense()).toEqual([5, 0x24, 0]);
    expect(software.packet([0x43, 0, 5, 0, 0, 0, 0, 0, 100]).status).toBe(FAILED);
  });

  it('READ TOC in MSF of a disc that minutes cannot hold', () => {
    const medium = { size: 4.7e9, readOnly: true, read: () => new Uint8Array(0), write: () => {}, flush: () => {} };
    const { secondary } = createIde({ secondary: [{ cd: medium }, undefined] });
    secondary.packet([0x03, 0, 0, 0, 18]);
    expect([...secondary.packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100]).data.subarray(8)]).toEqual([0, 255, 59, 74]);
    expect([...secondary.packet([0x46, 0, 0, 0, 0, 0, 0, 0, 8]).data.subarray(6)]).toEqual([0, 0x10]); // a DVD
  });

  it('MODE SENSE: pages, header of 6 and of 10, what cannot be', () => {
    const { software, sense } = createCd();
    const page = (code: number, length = 255) => [
      ...software.packet([0x5a, 0, code, 0, 0, 0, 0, length >>> 8, length & 255]).data,
    ];
    const capabilities = page(0x2a);
    expect(capabilities.slice(0, 8)).toEqual([0, capabilities.length - 2, 1, 0, 0, 0, 0, 0]);
    expect(capabilities.slice(8, 10)).toEqual([0x2a, 18]);
    expect(capabilities).toHaveLength(8 + 20);
    expect([0x01, 0x0d, 0x0e].map((code) => page(code).slice(8, 10))).toEqual([
      [0x01, 6],
      [0x0d, 6],
      [0x0e, 14],
    ]);
    expect(page(0x3f)).toHaveLength(8 + 8 + 8 + 16 + 20);
    expect(page(0x2a, 4)).toHaveLength(4);
    expect([...software.packet([0x1a, 0, 0x01, 0, 255]).data]).toEqual([11, 1, 0, 0, 0x01, 6, 0, 5, 0, 0, 0, 0]);
    expect(page(0x41).slice(8)).toEqual([0x01, 6, 0, 0, 0, 0, 0, 0]); // changeable: nothing
    expect(software.packet([0x5a, 0, 0x05, 0, 0, 0, 0, 0, 255]).status).toBe(FAILED);
    expect(software.packet([0x5a, 0, 0xea, 0, 0, 0, 0, 0, 255]).status).toBe(FAILED);
    expect(sense()).toEqual([5, 0x39, 0]);
    software.packet([0x1e, 0, 0, 0, 1]);
    expect(page(0x2a)[14]! & 2).toBe(2);
  });

  it('GET CONFIGURATION: profiles and features', () => {
    const { software, drive } = createCd();
    const { data } = software.packet([0x46, 0, 0, 0, 0, 0, 0, 1, 0]);
    const view = new DataView(data.buffer);
    expect(view.getUint32(0)).toBe(data.length - 4);
    expect(view.getUint16(6)).toBe(8);
    const codes: number[] = [];
    for (let at = 8; at < data.length; at += 4 + data[at + 3]!) codes.push(view.getUint16(at));
    expect(codes).toEqual([0, 1, 2, 3, 0x10, 0x1e, 0x1f, 0x100]);
    expect(software.packet([0x46, 2, 0, 0x1e, 0, 0, 0, 1, 0]).data.length).toBe(8 + 8);
    expect(software.packet([0x46, 2, 0, 0x55, 0, 0, 0, 1, 0]).data.length).toBe(8);
    drive.eject();
    expect([...software.packet([0x46, 1, 0, 0x10, 0, 0, 0, 1, 0]).data.subarray(6)]).toEqual([0, 0, 1, 0, 3, 0]);
  });

  it('READ DISC INFORMATION, READ SUB-CHANNEL, MECHANISM STATUS, READ FORMAT CAPACITIES, SET CD SPEED', () => {
    const { software, drive } = createCd();
    const disc = software.packet([0x51, 0, 0, 0, 0, 0, 0, 0, 34]).data;
    expect([...disc.subarray(0, 8)]).toEqual([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
    expect([...software.packet([0x42, 0, 0, 0, 0, 0, 0, 0, 16]).data]).toEqual([0, 0x15, 0, 0]);
    expect([...software.packet([0x42, 0, 0x40, 1, 0, 0, 0, 0, 16]).data.subarray(0, 8)]).toEqual([
      0, 0x15, 0, 12, 1, 0x14, 1, 1,
    ]);
    expect(software.packet([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).data.length).toBe(8);
    expect([...software.packet([0x23, 0, 0, 0, 0, 0, 0, 0, 12]).data]).toEqual([0, 0, 0, 8, 0, 0, 1, 0x90, 2, 0, 8, 0]);
    expect(software.packet([0xbb, 0, 0xff, 0xff]).status).toBe(READY);
    drive.eject();
    for (const opcode of [0x25, 0x28, 0x42, 0x43, 0x51, 0xa8, 0xbe, 0x2b])
      expect(software.packet([opcode]).status).toBe(FAILED);
    expect(software.packet([0x23, 0, 0, 0, 0, 0, 0, 0, 12]).data[8]).toBe(3);
  });

  it('GET EVENT STATUS NOTIFICATION: polled only, the media class only', () => {
    const { software, sense } = createCd();
    expect(software.packet([0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8]).status).toBe(FAILED);
    expect(sense()).toEqual([5, 0x24, 0]);
    expect([...software.packet([0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8]).data]).toEqual([0, 2, 0x80, 0x10]);
    expect([...software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    expect([...software.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).data]).toEqual([0, 6, 4, 0x10, 0, 2, 0, 0]);
  });
});
